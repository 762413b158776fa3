// Field and blocks, seen from far: a block is as strong in colour as it has seats left.

import { Color, Container, Graphics } from 'pixi.js';
import type { SeatTable } from '../venue/seat-table';
import type { MapColors } from './map-colors';

const KNOWN_SHAPES = ['grass', 'dirt', 'line', 'stage', 'wall'] as const;

export class BlockLayer {
  readonly root = new Container();
  private readonly shapes = new Graphics();
  private readonly fills: Graphics[];
  private readonly edges = new Graphics();
  private readonly hover = new Graphics();
  private colors: MapColors | null = null;

  constructor(private readonly table: SeatTable) {
    this.fills = table.blocks.map((block) =>
      new Graphics().poly(block.outline.flat()).fill(0xffffff),
    );
    this.root.addChild(this.shapes, ...this.fills, this.edges, this.hover);
  }

  setColors(colors: MapColors): void {
    this.colors = colors;
    this.shapes.clear();
    for (const shape of this.table.plan.shapes ?? []) {
      const kind = KNOWN_SHAPES.find((known) => known === shape.kind) ?? 'wall';
      this.shapes.poly(shape.outline.flat()).fill(colors[kind]);
    }
    this.edges.clear();
    for (const block of this.table.blocks) this.edges.poly(block.outline.flat());
    this.edges.stroke({ color: colors.ground, width: 0.5, alignment: 0.5 });
  }

  /** Paints each block by its share of free seats; `near` (0 to 1) lets the seats take over. */
  paint(freeInBlock: Int32Array, gradeShown: (grade: number) => boolean, near: number): void {
    if (!this.colors) return;
    const ground = new Color(this.colors.ground).toRgbArray();
    const taken = new Color(this.colors.taken).toRgbArray();
    for (const block of this.table.blocks) {
      const share = block.seats === 0 ? 0 : freeInBlock[block.index] / block.seats;
      const base = new Color(this.table.grades[block.grade].color).toRgbArray();
      const shown = this.table.rowsOf(block).some((row) => gradeShown(row.grade));
      const strength = share === 0 ? 0 : 0.3 + 0.7 * share;
      const full = mix(mix(ground, taken, 0.55), base, strength);
      const far = shown ? full : mix(ground, taken, 0.3);
      const seen = mix(far, mix(ground, base, shown ? 0.1 : 0.04), near);
      this.fills[block.index].tint = new Color(seen as unknown as number[]).toNumber();
    }
  }

  showHover(block: number | null, ink: string): void {
    this.hover.clear();
    if (block === null) return;
    const outline = this.table.blocks[block].outline.flat();
    this.hover.poly(outline).stroke({ color: ink, width: 0.8, alignment: 0.5 });
  }
}

type Rgb = ArrayLike<number>;

function mix(from: Rgb, to: Rgb, share: number): number[] {
  return [0, 1, 2].map((part) => from[part] + (to[part] - from[part]) * share);
}
