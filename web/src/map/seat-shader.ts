// The shader of a seat, in GLSL. Every seat is a quad of four vertices with the same data.
//
// aCorner  the corner of this vertex
// aSpot    centre (metres) and the vector along the row, half a seat long
// aGrade   colour of the grade
// aName    index and length of the seat's name (seat-names.ts), which is shown at a large scale
// aState   state code, marks (bits below), attributes (bits of seat-table.ts), unused
// aChanged when the seat last changed (seconds of uTime), for the short glow

import { ACCESSIBLE, COMPANION } from '../venue/seat-table';
import {
  COMPANION_GLYPH,
  GLYPH_COLUMNS,
  LENGTH_MAX,
  MARGIN_X,
  MARGIN_Y,
  NAMES_PER_LINE,
  TEXELS_PER_NAME,
  WHEELCHAIR_GLYPH,
} from './seat-names';

export const MARK_SELECTED = 1;
export const MARK_MINE = 2;
export const MARK_DIMMED = 4;
export const MARK_HOVERED = 8;

export const GLOW_SECONDS = 0.7;

export const vertexSource = /* glsl */ `#version 300 es
in vec4 aCorner;
in vec4 aSpot;
in vec4 aGrade;
in float aName;
in vec4 aState;
in float aChanged;

uniform mat3 uProjectionMatrix;
uniform mat3 uWorldTransformMatrix;
uniform mat3 uTransformMatrix;

out vec2 vAt;
flat out vec3 vGrade;
flat out float vName;
flat out float vCode;
flat out float vAttributes;
flat out float vMarks;
flat out float vChanged;
flat out vec2 vAlong;

void main() {
  vec2 along = aSpot.zw;
  vec2 across = vec2(-along.y, along.x);
  vMarks = floor(aState.y * 255.0 + 0.5);
  float grown = mod(vMarks, 4.0) > 0.5 || vMarks > 7.5 ? 1.3 : 1.15;
  vAt = aCorner.xy * grown;
  vec2 place = aSpot.xy + along * vAt.x + across * vAt.y;
  mat3 view = uProjectionMatrix * uWorldTransformMatrix * uTransformMatrix;
  gl_Position = vec4((view * vec3(place, 1.0)).xy, 0.0, 1.0);
  vGrade = aGrade.rgb;
  vName = aName;
  vAttributes = floor(aState.z * 255.0 + 0.5);
  vCode = floor(aState.x * 255.0 + 0.5);
  vChanged = aChanged;
  vAlong = along;
}
`;

export const fragmentSource = /* glsl */ `#version 300 es
precision highp float;
precision highp int;

in vec2 vAt;
flat in vec3 vGrade;
flat in float vName;
flat in float vCode;
flat in float vAttributes;
flat in float vMarks;
flat in float vChanged;
flat in vec2 vAlong;

uniform sampler2D uGlyphs;
uniform sampler2D uNames;
uniform float uGlyphLines;
uniform vec3 uGround;
uniform vec3 uTaken;
uniform vec3 uBusy;
uniform vec3 uInk;
uniform vec3 uMine;
uniform float uTime;
uniform float uScale;
uniform float uFade;
uniform float uNumbers;

out vec4 finalColor;

bool marked(float bit) { return mod(floor(vMarks / bit), 2.0) > 0.5; }

float boxDistance(vec2 at, float half_, float radius) {
  vec2 q = abs(at) - half_ + radius;
  return length(max(q, 0.0)) + min(max(q.x, q.y), 0.0) - radius;
}

float brightness(vec3 color) { return dot(color, vec3(0.299, 0.587, 0.114)); }

float glyphInk(int glyph, vec2 inside, vec2 stepX, vec2 stepY) {
  vec2 corner = vec2(glyph % ${GLYPH_COLUMNS}, glyph / ${GLYPH_COLUMNS});
  vec2 margin = vec2(${MARGIN_X.toFixed(4)}, ${MARGIN_Y.toFixed(4)});
  vec2 cells = vec2(${GLYPH_COLUMNS}.0, uGlyphLines);
  vec2 size = (1.0 - 2.0 * margin) / cells;
  return textureGrad(uGlyphs, corner / cells + margin / cells + inside * size, stepX * size, stepY * size).a;
}

// The name is upright on the screen, whatever the direction of the row. A long name is smaller.
float nameInk(vec2 at, vec2 stepX, vec2 stepY) {
  int code = int(vName + 0.5);
  int index = code / ${LENGTH_MAX + 1};
  float length_ = float(code % ${LENGTH_MAX + 1});
  float shrink = max(1.0, length_ / 3.0);
  at *= shrink;
  float slot = floor(at.x + length_ * 0.5);
  if (slot < 0.0 || slot >= length_ || abs(at.y) > 0.5) return 0.0;
  int byte_ = int(slot) + 1;
  int line = index / ${NAMES_PER_LINE};
  int first = (index - line * ${NAMES_PER_LINE}) * ${TEXELS_PER_NAME};
  vec4 four = texelFetch(uNames, ivec2(first + byte_ / 4, line), 0);
  int glyph = int(four[byte_ % 4] * 255.0 + 0.5);
  vec2 inside = vec2(at.x + length_ * 0.5 - slot, at.y + 0.5);
  // Letters of less than three pixels would only be noise.
  float readable = smoothstep(2.0, 3.5, 1.0 / (shrink * max(abs(stepX.x) + abs(stepY.x), 0.0001)));
  return readable * glyphInk(glyph, inside, stepX * shrink, stepY * shrink);
}

// The symbol of a place for people with a wheelchair or for their companion. With a name it is above it.
float symbolInk(vec2 at, vec2 stepX, vec2 stepY, float named) {
  vec2 size = vec2(mix(1.5, 0.95, named));
  vec2 inside = (at - vec2(0.0, -0.38 * named)) / size + 0.5;
  if (inside.x < 0.0 || inside.x > 1.0 || inside.y < 0.0 || inside.y > 1.0) return 0.0;
  int glyph = mod(vAttributes, 2.0) > 0.5 ? ${WHEELCHAIR_GLYPH} : ${COMPANION_GLYPH};
  return glyphInk(glyph, inside, stepX / size, stepY / size);
}

void main() {
  float halfSeat = length(vAlong);
  vec2 along = vAlong / max(halfSeat, 0.001);
  vec2 upright = mat2(along, vec2(-along.y, along.x)) * vAt;
  // The derivatives for the texture must be computed before any branch, and not across glyphs.
  vec2 stepX = dFdx(upright);
  vec2 stepY = dFdy(upright);
  float pixel = 1.0 / max(uScale * halfSeat, 0.001);
  bool selected = marked(1.0);
  bool mine = marked(2.0);
  bool dimmed = marked(4.0);
  bool hovered = marked(8.0);
  float size = selected || mine || hovered ? 1.12 : 1.0;
  // The lowest two bits. Such places are round.
  bool special = mod(vAttributes, ${(ACCESSIBLE | COMPANION) + 1}.0) > 0.5;
  float outer = boxDistance(vAt, size, special ? size : 0.34);
  float cover = 1.0 - smoothstep(-pixel, pixel * 0.5, outer);
  if (cover <= 0.0) discard;

  vec3 fill = vGrade;
  vec3 rim = mix(vGrade, uInk, 0.25);
  float rimWidth = max(0.1, pixel * 0.9);
  if (vCode > 3.5) { fill = mix(uGround, uTaken, 0.35); rim = fill; }
  else if (vCode > 2.5) { fill = uTaken; rim = uTaken; }
  else if (vCode > 0.5) { fill = mix(uGround, uBusy, vCode > 1.5 ? 0.55 : 0.28); rim = uBusy; }
  if (mine) { fill = uMine; rim = uInk; rimWidth = max(0.16, pixel * 1.6); }
  if (selected) { fill = uGround; rim = uMine; rimWidth = max(0.3, pixel * 2.0); }
  if (hovered) { rim = uInk; rimWidth = max(0.16, pixel * 1.6); }

  float glow = clamp(1.0 - (uTime - vChanged) / ${GLOW_SECONDS.toFixed(1)}, 0.0, 1.0);
  fill = mix(fill, uInk, glow * 0.35);

  vec3 color = mix(fill, rim, smoothstep(-rimWidth - pixel, -rimWidth, outer));
  if (vCode < 2.5 && (special || uNumbers > 0.0)) {
    const vec2 LETTER = vec2(0.54, 0.94);
    float named = special ? uNumbers * min(vName, 1.0) : 0.0;
    vec2 letter = LETTER * mix(1.0, 0.72, named);
    vec2 at = (upright - vec2(0.0, 0.5 * named)) / letter;
    float ink = uNumbers > 0.0 ? nameInk(at, stepX / letter, stepY / letter) * uNumbers : 0.0;
    if (special) ink = max(ink, symbolInk(upright, stepX, stepY, named) * smoothstep(6.0, 10.0, 2.0 / pixel));
    vec3 text = brightness(fill) > 0.58 ? vec3(0.07, 0.08, 0.1) : vec3(1.0);
    color = mix(color, text, ink);
  }
  float alpha = cover * uFade * (dimmed && !mine && !selected ? 0.16 : 1.0);
  finalColor = vec4(color * alpha, alpha);
}
`;
