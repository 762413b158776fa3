// Field and blocks at a small scale: the more seats a block has left, the stronger its colour.

import { Color, Container, Graphics } from 'pixi.js';
import type { SeatTable } from '../venue/seat-table';
import { FlatMesh, type Rgb } from './flat-mesh';
import type { MapColors } from './map-colors';

const KNOWN_SHAPES = ['grass', 'dirt', 'line', 'stage', 'wall'] as const;
const DARK_INK = '#0d1015';
const LIGHT_INK = '#ffffff';
const EDGE_METRES = 0.5;
const HOVER_PIXELS = 2;

export class BlockLayer {
  readonly root = new Container();
  /** The readable text colour for each block: dark on light, light on dark. */
  readonly inks: string[] = [];
  private readonly shapes: FlatMesh;
  private readonly fills: FlatMesh;
  private readonly edges = new Graphics();
  private readonly hover = new Graphics();
  private readonly gradeColors: Rgb[];
  private ground: Rgb = [1, 1, 1];
  private taken: Rgb = [1, 1, 1];
  private ink = '#000';
  private inkSoft = '#000';

  constructor(private readonly table: SeatTable) {
    this.shapes = new FlatMesh((table.plan.shapes ?? []).map((shape) => shape.outline));
    this.fills = new FlatMesh(table.blocks.map((block) => block.outline));
    this.gradeColors = table.grades.map((grade) => rgb(grade.color));
    this.root.addChild(this.shapes.mesh, this.fills.mesh, this.edges, this.hover);
  }

  setColors(colors: MapColors): void {
    this.ground = rgb(colors.ground);
    this.taken = rgb(colors.taken);
    this.ink = colors.ink;
    this.inkSoft = colors.inkSoft;
    for (const [index, shape] of (this.table.plan.shapes ?? []).entries()) {
      const kind = KNOWN_SHAPES.find((known) => known === shape.kind) ?? 'wall';
      this.shapes.setColor(index, rgb(colors[kind]));
    }
    this.shapes.flush();
    this.edges.clear();
    for (const block of this.table.blocks) this.edges.poly(block.outline.flat());
    this.edges.stroke({ color: colors.ground, width: EDGE_METRES, alignment: 0.5 });
  }

  /** Paints each block by its share of free seats. The more `near` (0 to 1), the fainter it is behind its seats. */
  paint(freeInBlock: Int32Array, gradeShown: (grade: number) => boolean, near: number): void {
    const { ground, taken } = this;
    for (const block of this.table.blocks) {
      const share = block.seats === 0 ? 0 : freeInBlock[block.index] / block.seats;
      const base = this.gradeColors[block.grade];
      const shown = this.table.rowsOf(block).some((row) => gradeShown(row.grade));
      const strength = share === 0 ? 0 : 0.3 + 0.7 * share;
      const full = mix(mix(ground, taken, 0.55), base, strength);
      const far = shown ? full : mix(ground, taken, 0.3);
      const seen = mix(far, mix(ground, base, shown ? 0.1 : 0.04), near);
      this.fills.setColor(block.index, seen);
      const ink = brightness(far) > 0.5 ? DARK_INK : LIGHT_INK;
      this.inks[block.index] = shown ? ink : this.inkSoft;
    }
    this.fills.flush();
    // Its width fits only the scale at which it was drawn.
    if (near > 0) this.hover.clear();
    this.edges.visible = near < 1;
  }

  /** `pixel`: the size of a pixel of the screen in metres. */
  showHover(block: number | null, pixel = 0): void {
    this.hover.clear();
    if (block === null) return;
    const outline = this.table.blocks[block].outline.flat();
    const width = HOVER_PIXELS * pixel;
    this.hover.poly(outline).stroke({ color: this.ink, width, alignment: 0.5 });
  }
}

function rgb(color: string): Rgb {
  const [red, green, blue] = new Color(color).toRgbArray();
  return [red, green, blue];
}

function mix(from: Rgb, to: Rgb, share: number): Rgb {
  const part = (index: number) => from[index] + (to[index] - from[index]) * share;
  return [part(0), part(1), part(2)];
}

function brightness([red, green, blue]: Rgb): number {
  return red * 0.299 + green * 0.587 + blue * 0.114;
}
