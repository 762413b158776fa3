// What a floor has besides blocks: painted shapes, images and texts. They are fixed to the plan, and
// grow with it.

import { BitmapText, Color, Container, Sprite, Texture } from 'pixi.js';
import type { PlanImage } from '../api/types';
import { isOn, polygonOf } from '../venue/plan-parts';
import type { SeatTable } from '../venue/seat-table';
import { FlatMesh, rgb } from './flat-mesh';
import type { MapColors } from './map-colors';

const KNOWN_SHAPES = ['grass', 'dirt', 'line', 'stage', 'wall', 'pillar', 'table', 'area'] as const;
/** Size at which letters are drawn once, in pixels. They are scaled from there. */
const LETTER_PIXELS = 64;

export class Scenery {
  /** Below the blocks. */
  readonly ground = new Container();
  /** Above the blocks. */
  readonly texts = new Container();
  private readonly images = new Container();
  private readonly shapes;
  private readonly mesh: FlatMesh;
  private readonly plainTexts: BitmapText[] = [];

  constructor(table: SeatTable, floor: number, onLoad: () => void) {
    const { plan } = table;
    const isHere = (part: { floor?: number | null }) => isOn(part, floor);
    this.shapes = (plan.shapes ?? []).filter(isHere);
    this.mesh = new FlatMesh(this.shapes.map((shape) => [polygonOf(shape)]));
    this.ground.addChild(this.images, this.mesh.mesh);
    for (const image of (plan.images ?? []).filter(isHere)) void this.addImage(image, onLoad);
    for (const { text, at, size, angle, color } of (plan.texts ?? []).filter(isHere)) {
      const style = { fontFamily: 'system-ui, sans-serif', fontSize: LETTER_PIXELS, fontWeight: '600', fill: '#fff' };
      const label = new BitmapText({ text, style: style as never });
      label.anchor.set(0.5);
      label.position.set(at[0], at[1]);
      label.angle = angle ?? 0;
      label.scale.set(size / LETTER_PIXELS);
      if (color) label.tint = new Color(color).toNumber();
      else this.plainTexts.push(label);
      this.texts.addChild(label);
    }
  }

  setColors(colors: MapColors): void {
    for (const [index, shape] of this.shapes.entries()) {
      const kind = KNOWN_SHAPES.find((known) => known === shape.kind) ?? 'wall';
      this.mesh.setColor(index, rgb(shape.color ?? colors[kind]));
    }
    this.mesh.flush();
    for (const label of this.plainTexts) label.tint = colors.inkSoft;
  }

  private async addImage({ href, at, width, height }: PlanImage, onLoad: () => void): Promise<void> {
    const image = new Image();
    image.src = href;
    try {
      await image.decode();
    } catch {
      // The map is complete without it.
      return;
    }
    if (this.images.destroyed) return;
    const sprite = new Sprite(Texture.from(image));
    sprite.anchor.set(0.5);
    sprite.position.set(at[0], at[1]);
    sprite.setSize(width, height);
    this.images.addChild(sprite);
    onLoad();
  }
}
