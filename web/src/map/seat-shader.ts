// The shader of a seat, in GLSL. Every seat is a quad of four vertices with the same data.
//
// aCorner  the corner of this vertex
// aSpot    centre (metres) and the vector along the row, half a seat long
// aGrade   colour of the grade; aNumber the seat number, which is shown at a large scale
// aState   state code, marks (bits below), unused, unused
// aChanged when the seat last changed (seconds of uTime), for the short glow

export const MARK_SELECTED = 1;
export const MARK_MINE = 2;
export const MARK_DIMMED = 4;
export const MARK_HOVERED = 8;

export const GLOW_SECONDS = 0.7;

export const vertexSource = /* glsl */ `#version 300 es
in vec4 aCorner;
in vec4 aSpot;
in vec4 aGrade;
in float aNumber;
in vec4 aState;
in float aChanged;

uniform mat3 uProjectionMatrix;
uniform mat3 uWorldTransformMatrix;
uniform mat3 uTransformMatrix;

out vec2 vAt;
flat out vec3 vGrade;
flat out float vNumber;
flat out float vCode;
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
  vNumber = aNumber;
  vCode = floor(aState.x * 255.0 + 0.5);
  vChanged = aChanged;
  vAlong = along;
}
`;

export const fragmentSource = /* glsl */ `#version 300 es
precision highp float;

in vec2 vAt;
flat in vec3 vGrade;
flat in float vNumber;
flat in float vCode;
flat in float vMarks;
flat in float vChanged;
flat in vec2 vAlong;

uniform sampler2D uDigits;
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

// Digits are upright on the screen, whatever the direction of the row.
float digitInk(vec2 at, float number, vec2 stepX, vec2 stepY) {
  float digits = number > 99.5 ? 3.0 : number > 9.5 ? 2.0 : 1.0;
  float slot = floor(at.x + digits * 0.5);
  if (slot < 0.0 || slot >= digits || abs(at.y) > 0.5) return 0.0;
  float power = digits - 1.0 - slot;
  float digit = mod(floor(number / (power > 1.5 ? 100.0 : power > 0.5 ? 10.0 : 1.0)), 10.0);
  float inside = at.x + digits * 0.5 - slot;
  return textureGrad(uDigits, vec2((digit + inside) / 10.0, at.y + 0.5), stepX, stepY).a;
}

void main() {
  float halfSeat = length(vAlong);
  vec2 along = vAlong / max(halfSeat, 0.001);
  vec2 upright = mat2(along, vec2(-along.y, along.x)) * vAt / vec2(0.54, 0.98);
  // The derivatives of the texture must be computed before any branch, and not across digits.
  vec2 atlas = vec2(upright.x / 10.0, upright.y);
  vec2 stepX = dFdx(atlas);
  vec2 stepY = dFdy(atlas);
  float pixel = 1.0 / max(uScale * halfSeat, 0.001);
  bool selected = marked(1.0);
  bool mine = marked(2.0);
  bool dimmed = marked(4.0);
  bool hovered = marked(8.0);
  float size = selected || mine || hovered ? 1.12 : 1.0;
  float outer = boxDistance(vAt, size, 0.34);
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
  if (uNumbers > 0.0 && vCode < 2.5) {
    float ink = digitInk(upright, vNumber, stepX, stepY) * uNumbers;
    vec3 text = brightness(fill) > 0.58 ? vec3(0.07, 0.08, 0.1) : vec3(1.0);
    color = mix(color, text, ink);
  }
  float alpha = cover * uFade * (dimmed && !mine && !selected ? 0.16 : 1.0);
  finalColor = vec4(color * alpha, alpha);
}
`;
