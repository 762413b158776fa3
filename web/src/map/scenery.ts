// What a floor has besides blocks: painted shapes, images and texts. They are fixed to the plan, and
// grow with it.

import { BitmapText, Color, Container, Sprite, Texture } from 'pixi.js';
import type { PlanImage, PlanShape } from '../api/types';
import { isOn, polygonOf } from '../venue/plan-parts';
import type { SeatTable } from '../venue/seat-table';
import { FlatMesh, rgb } from './flat-mesh';
import type { MapColors } from './map-colors';

const KNOWN_SHAPES = ['grass', 'dirt', 'line', 'stage', 'wall', 'pillar', 'table', 'area'] as const;
/** What stands among the seats, above the ground of a block. */
const FURNITURE = ['pillar', 'table'];
/** Size at which letters are drawn once, in pixels. They are scaled from there. */
const LETTER_PIXELS = 64;

interface Painted {
  shapes: PlanShape[];
  mesh: FlatMesh;
}

function painted(shapes: PlanShape[]): Painted {
  return { shapes, mesh: new FlatMesh(shapes.map((shape) => [polygonOf(shape)])) };
}

export class Scenery {
  /** Below the blocks. */
  readonly ground = new Container();
  /** Above the blocks. */
  readonly above = new Container();
  private readonly images = new Container();
  private readonly painted: Painted[];
  private readonly plainTexts: BitmapText[] = [];

  constructor(table: SeatTable, floor: number, onLoad: () => void) {
    const { plan } = table;
    const isHere = (part: { floor?: number | null }) => isOn(part, floor);
    const shapes = (plan.shapes ?? []).filter(isHere);
    const furniture = painted(shapes.filter(({ kind }) => FURNITURE.includes(kind)));
    const ground = painted(shapes.filter(({ kind }) => !FURNITURE.includes(kind)));
    this.painted = [ground, furniture];
    this.ground.addChild(this.images, ground.mesh.mesh);
    this.above.addChild(furniture.mesh.mesh);
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
      this.above.addChild(label);
    }
  }

  setColors(colors: MapColors): void {
    for (const { shapes, mesh } of this.painted) {
      for (const [index, { kind, color }] of shapes.entries()) {
        const known = KNOWN_SHAPES.find((known) => known === kind) ?? 'wall';
        mesh.setColor(index, rgb(color ?? colors[known]));
      }
      mesh.flush();
    }
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
