// Blocks of a floor at a small scale: the more seats a block has left, the stronger its colour. An
// area without seats looks like that at any scale, with an edge of its own.

import { Container, Graphics } from 'pixi.js';
import type { Block, SeatTable } from '../venue/seat-table';
import { FlatMesh, rgb, type Rgb } from './flat-mesh';
import type { MapColors } from './map-colors';
import { Scenery } from './scenery';

const DARK_INK = '#0d1015';
const LIGHT_INK = '#ffffff';
const EDGE_METRES = 0.5;
const MARK_PIXELS = 4;
const HOVER_PIXELS = 2;

export class BlockLayer {
  readonly root = new Container();
  /** The readable text colour for each block: dark on light, light on dark. */
  readonly inks: string[] = [];
  private readonly blocks: Block[];
  private readonly scenery: Scenery;
  private readonly fills: FlatMesh;
  private readonly edges = new Graphics();
  private readonly areaEdges = new Graphics();
  private readonly marks = new Graphics();
  private readonly hover = new Graphics();
  private readonly gradeColors: Rgb[];
  /** The grades that each block has. */
  private readonly gradesOf: number[][];
  private marked: ReadonlySet<number> = new Set();
  /** The size of a pixel of the screen for which the marks are drawn, in metres. */
  private pixel = 1;
  private ground: Rgb = [1, 1, 1];
  private taken: Rgb = [1, 1, 1];
  private ink = '#000';
  private inkSoft = '#000';
  private mine = '#000';

  constructor(
    private readonly table: SeatTable,
    floor: number,
    onLoad: () => void,
  ) {
    this.blocks = table.blocksOn(floor);
    this.scenery = new Scenery(table, floor, onLoad);
    this.fills = new FlatMesh(this.blocks.map((block) => block.outlines));
    this.gradeColors = table.grades.map((grade) => rgb(grade.color));
    this.gradesOf = this.blocks.map((block) => [...new Set(table.runsOf(block).map(({ grade }) => grade))]);
    this.root.addChild(this.scenery.ground, this.fills.mesh, this.edges, this.areaEdges);
    this.root.addChild(this.scenery.above, this.marks, this.hover);
  }

  setColors(colors: MapColors): void {
    this.ground = rgb(colors.ground);
    this.taken = rgb(colors.taken);
    this.ink = colors.ink;
    this.inkSoft = colors.inkSoft;
    this.mine = colors.mine;
    this.scenery.setColors(colors);
    this.edges.clear();
    this.areaEdges.clear();
    for (const block of this.blocks) outline(block.isArea ? this.areaEdges : this.edges, block);
    this.edges.stroke({ color: colors.ground, width: EDGE_METRES, alignment: 0.5 });
    this.areaEdges.stroke({ color: colors.inkSoft, pixelLine: true });
    this.drawMarks();
  }

  /** Marks the areas in which the fan has places. */
  setMarked(blocks: ReadonlySet<number>): void {
    this.marked = blocks;
    this.drawMarks();
  }

  /** Called before each frame. `pixel`: the size of a pixel of the screen in metres. */
  prepare(pixel: number): void {
    const change = pixel / this.pixel;
    if (change > 0.8 && change < 1.25) return;
    this.pixel = pixel;
    this.drawMarks();
  }

  /** Paints each block by its share of free seats. The more `near` (0 to 1), the fainter it is behind its seats. */
  paint(freeInBlock: Int32Array, gradeShown: (grade: number) => boolean, near: number): void {
    const { ground, taken } = this;
    for (const [index, block] of this.blocks.entries()) {
      const share = block.seats === 0 ? 0 : freeInBlock[block.index] / block.seats;
      const base = this.gradeColors[block.grade];
      const shown = this.gradesOf[index].some(gradeShown);
      const strength = share === 0 ? 0 : 0.3 + 0.7 * share;
      const full = mix(mix(ground, taken, 0.55), base, strength);
      const far = shown ? full : mix(ground, taken, 0.3);
      const behind = mix(ground, base, shown ? 0.1 : 0.04);
      this.fills.setColor(index, block.isArea ? far : mix(far, behind, near));
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
    outline(this.hover, this.table.blocks[block]);
    this.hover.stroke({ color: this.ink, width: HOVER_PIXELS * pixel, alignment: 0.5 });
  }

  private drawMarks(): void {
    this.marks.clear();
    const blocks = this.blocks.filter(({ index }) => this.marked.has(index));
    if (blocks.length === 0) return;
    for (const block of blocks) outline(this.marks, block);
    this.marks.stroke({ color: this.mine, width: MARK_PIXELS * this.pixel, alignment: 0.5 });
  }
}

function outline(graphics: Graphics, block: Block): void {
  for (const points of block.outlines) graphics.poly(points.flat());
}

function mix(from: Rgb, to: Rgb, share: number): Rgb {
  const part = (index: number) => from[index] + (to[index] - from[index]) * share;
  return [part(0), part(1), part(2)];
}

function brightness([red, green, blue]: Rgb): number {
  return red * 0.299 + green * 0.587 + blue * 0.114;
}
