import { Texture } from 'pixi.js';

const CELL_WIDTH = 52;
const CELL_HEIGHT = 96;

/** The ten digits side by side. The seat shader draws seat numbers from this texture. */
export function digitsTexture(): Texture {
  const canvas = document.createElement('canvas');
  canvas.width = CELL_WIDTH * 10;
  canvas.height = CELL_HEIGHT;
  const context = canvas.getContext('2d');
  if (!context) return Texture.WHITE;
  context.font = '600 78px system-ui, sans-serif';
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  context.fillStyle = '#fff';
  for (let digit = 0; digit < 10; digit += 1) {
    context.fillText(String(digit), CELL_WIDTH * (digit + 0.5), CELL_HEIGHT * 0.54);
  }
  const texture = Texture.from(canvas);
  texture.source.autoGenerateMipmaps = true;
  return texture;
}
