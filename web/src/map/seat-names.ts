// What is written on seats, for the seat shader: a texture of glyphs, and a texture with the glyphs of
// each name.

import { BufferImageSource, Texture, type TextureSource } from 'pixi.js';
import { COMPANION, WHEELCHAIR } from './symbols';

/** Glyphs stand in rows of this many. */
export const GLYPH_COLUMNS = 16;
/** A name has this many texels with four glyphs each. The first of them is the length. */
export const TEXELS_PER_NAME = 4;
export const NAMES_PER_LINE = 256;
export const LENGTH_MAX = TEXELS_PER_NAME * 4 - 1;
/** Symbols come before the letters. Glyph 0 is empty. */
export const WHEELCHAIR_GLYPH = 1;
export const COMPANION_GLYPH = 2;
const ELLIPSIS_GLYPH = 3;
const FIRST_LETTER_GLYPH = 4;
const GLYPHS_MAX = 256;

const CELL_WIDTH = 60;
const CELL_HEIGHT = 104;
/** Space around a glyph, so that smaller copies of the texture do not mix it with its neighbours. */
export const MARGIN_X = 4 / CELL_WIDTH;
export const MARGIN_Y = 4 / CELL_HEIGHT;

export interface SeatNames {
  glyphs: TextureSource;
  names: TextureSource;
  /** Lines of glyphs in their texture. */
  glyphLines: number;
  /** For each name, its index and its length in one number: `index * 16 + length`. */
  codes: Float32Array;
}

export function seatNames(names: readonly string[]): SeatNames {
  const letters = new Map<string, number>();
  const lines = Math.ceil(names.length / NAMES_PER_LINE);
  const texels = new Uint8Array(lines * NAMES_PER_LINE * TEXELS_PER_NAME * 4);
  const codes = new Float32Array(names.length);
  for (const [index, name] of names.entries()) {
    const glyphs = glyphsOf(name, letters);
    texels.set([glyphs.length, ...glyphs], index * TEXELS_PER_NAME * 4);
    codes[index] = index * (LENGTH_MAX + 1) + glyphs.length;
  }
  const glyphLines = Math.ceil((FIRST_LETTER_GLYPH + letters.size) / GLYPH_COLUMNS);
  return {
    glyphs: drawGlyphs([...letters.keys()], glyphLines),
    names: new BufferImageSource({
      resource: texels,
      width: NAMES_PER_LINE * TEXELS_PER_NAME,
      height: lines,
      format: 'rgba8unorm',
      alphaMode: 'no-premultiply-alpha',
      scaleMode: 'nearest',
    }),
    glyphLines,
    codes,
  };
}

function glyphsOf(name: string, letters: Map<string, number>): number[] {
  const glyphs: number[] = [];
  for (const letter of name) {
    let glyph = letters.get(letter);
    if (glyph === undefined) {
      glyph = FIRST_LETTER_GLYPH + letters.size;
      if (glyph >= GLYPHS_MAX) glyph = ELLIPSIS_GLYPH;
      else letters.set(letter, glyph);
    }
    glyphs.push(glyph);
  }
  return glyphs.length <= LENGTH_MAX ? glyphs : [...glyphs.slice(0, LENGTH_MAX - 1), ELLIPSIS_GLYPH];
}

function drawGlyphs(letters: readonly string[], lines: number): TextureSource {
  const canvas = document.createElement('canvas');
  canvas.width = CELL_WIDTH * GLYPH_COLUMNS;
  canvas.height = CELL_HEIGHT * lines;
  const context = canvas.getContext('2d');
  if (!context) return Texture.WHITE.source;
  context.font = '600 78px system-ui, sans-serif';
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  context.fillStyle = '#fff';
  const write = (glyph: number, letter: string) => {
    const x = ((glyph % GLYPH_COLUMNS) + 0.5) * CELL_WIDTH;
    const y = (Math.floor(glyph / GLYPH_COLUMNS) + 0.54) * CELL_HEIGHT;
    context.fillText(letter, x, y, CELL_WIDTH * (1 - 2 * MARGIN_X));
  };
  write(ELLIPSIS_GLYPH, '…');
  for (const [index, letter] of letters.entries()) write(FIRST_LETTER_GLYPH + index, letter);
  // A symbol fills its cell. The shader shows it in a square, so it looks narrow only here.
  for (const [glyph, path] of [[WHEELCHAIR_GLYPH, WHEELCHAIR], [COMPANION_GLYPH, COMPANION]] as const) {
    context.setTransform(
      (CELL_WIDTH * (1 - 2 * MARGIN_X)) / 24, 0, 0, (CELL_HEIGHT * (1 - 2 * MARGIN_Y)) / 24,
      (glyph + MARGIN_X) * CELL_WIDTH, MARGIN_Y * CELL_HEIGHT,
    );
    context.fill(new Path2D(path));
  }
  const texture = Texture.from(canvas);
  texture.source.autoGenerateMipmaps = true;
  return texture.source;
}
