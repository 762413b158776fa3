// Names of the blocks of a floor with their free seats, and labels of rows at a large scale. Always
// upright, in screen pixels.

import { BitmapText, Container } from 'pixi.js';
import type { SeatStates } from '../venue/seat-states';
import { areaOf } from '../venue/plan-parts';
import type { Block, Row, SeatTable } from '../venue/seat-table';
import type { Camera } from './camera';
import type { MapColors } from './map-colors';

const NAME_PIXELS = 13;
const ROW_LABEL_SCALE = 17;
const MOST_ROW_LABELS = 400;
/** Width of a name that fits, as a part of the side of its block. */
const NAME_SHARE = 1.25;

interface BlockLabel {
  block: Block;
  /** Side of a square with the area of the block, because the box around an arc is too large. */
  metres: number;
  /** Made when the block is first large enough on the screen. */
  texts: BlockTexts | null;
}

interface BlockTexts {
  root: Container;
  name: BitmapText;
  left: BitmapText;
  /** Width of the name in pixels before it is scaled. */
  nameWidth: number;
}

export class LabelLayer {
  readonly root = new Container();
  private readonly blocks: BlockLabel[];
  private readonly rowRoot = new Container();
  private readonly rowPool: BitmapText[] = [];
  private inkSoft = '#000';
  private nameOf = (name: string) => name;
  private counts: { states: SeatStates; inks: string[] } | null = null;

  constructor(
    private readonly table: SeatTable,
    floor: number,
  ) {
    this.blocks = table.blocksOn(floor).map((block) => ({
      block,
      metres: Math.sqrt(Math.max(...block.outlines.map(areaOf))),
      texts: null,
    }));
    this.root.addChild(this.rowRoot);
  }

  setColors(colors: MapColors): void {
    this.inkSoft = colors.inkSoft;
    for (const label of this.rowPool) label.tint = colors.inkSoft;
  }

  /** Writes the names in the language of the page. */
  setNames(nameOf: (name: string) => string): void {
    this.nameOf = nameOf;
    for (const { block, texts } of this.blocks) if (texts) this.writeName(block, texts);
  }

  setCounts(states: SeatStates, inks: string[]): void {
    this.counts = { states, inks };
    for (const { block, texts } of this.blocks) if (texts) this.writeCount(block, texts);
  }

  place(camera: Camera, near: number): void {
    for (const label of this.blocks) {
      const { x, y } = camera.toScreen(label.block.centre[0], label.block.centre[1]);
      const size = label.metres * camera.scale;
      // Fades out before the seats are fully visible, because text over seats is unreadable.
      const alpha = label.block.isArea ? 1 : 1 - near * 2;
      const seen = alpha > 0 && size > 22 && inView(camera, x, y, 60);
      if (seen) label.texts ??= this.makeTexts(label.block);
      if (!label.texts) continue;
      const { root, name, left, nameWidth } = label.texts;
      root.visible = seen;
      if (!seen) continue;
      root.alpha = alpha;
      root.position.set(Math.round(x), Math.round(y));
      left.visible = size > 44;
      name.y = left.visible ? -7 : 0;
      const scale = Math.min(1.25, Math.max(0.64, size / 58));
      root.scale.set(scale);
      // A long name is smaller, and hidden before it would be too small to read.
      const fit = Math.min(1, (size * NAME_SHARE) / (nameWidth * scale));
      name.scale.set(fit);
      name.visible = fit * scale > 0.5;
    }
    this.placeRows(camera);
  }

  private placeRows(camera: Camera): void {
    let used = 0;
    this.rowRoot.visible = camera.scale >= ROW_LABEL_SCALE;
    if (!this.rowRoot.visible) return;
    for (const row of this.rowsSeen(camera)) {
      const first = row.firstSeat;
      const { x, y, alongX, alongY } = this.table;
      const labelX = x[first] - alongX[first] * 2.6;
      const labelY = y[first] - alongY[first] * 2.6;
      const at = camera.toScreen(labelX, labelY);
      if (!inView(camera, at.x, at.y, 20)) continue;
      if (used === MOST_ROW_LABELS) break;
      const label = this.rowLabel(used);
      used += 1;
      if (label.text !== row.label) label.text = row.label;
      label.position.set(at.x, at.y);
      label.visible = true;
      label.scale.set(Math.min(1.2, camera.scale / 28));
    }
    for (let index = used; index < this.rowPool.length; index += 1) {
      this.rowPool[index].visible = false;
    }
  }

  private rowsSeen(camera: Camera): Row[] {
    const seen = this.blocks.filter(({ block }) => camera.sees(this.table.boxOf(block)));
    return seen.flatMap(({ block }) => this.table.rowsOf(block).filter((row) => row.label));
  }

  private rowLabel(index: number): BitmapText {
    const existing = this.rowPool[index];
    if (existing) return existing;
    const label = text(12, '600');
    label.tint = this.inkSoft;
    this.rowPool.push(label);
    this.rowRoot.addChild(label);
    return label;
  }

  private makeTexts(block: Block): BlockTexts {
    const root = new Container();
    const name = text(NAME_PIXELS, '700');
    const left = text(NAME_PIXELS - 1.5, '500');
    left.y = 8;
    root.addChild(name, left);
    this.root.addChild(root);
    const texts = { root, name, left, nameWidth: 0 };
    this.writeName(block, texts);
    this.writeCount(block, texts);
    return texts;
  }

  private writeName(block: Block, texts: BlockTexts): void {
    texts.name.text = this.nameOf(block.name);
    texts.nameWidth = texts.name.width / texts.name.scale.x;
  }

  private writeCount(block: Block, { name, left }: BlockTexts): void {
    if (!this.counts) return;
    const { states, inks } = this.counts;
    name.tint = inks[block.index];
    left.tint = inks[block.index];
    const count = states.known ? String(states.freeInBlock[block.index]) : '';
    if (left.text !== count) left.text = count;
  }
}

function text(size: number, weight: '500' | '600' | '700'): BitmapText {
  const label = new BitmapText({
    text: '',
    style: { fontFamily: 'system-ui, sans-serif', fontSize: size, fontWeight: weight, fill: '#fff' },
  });
  label.anchor.set(0.5);
  return label;
}

function inView(camera: Camera, x: number, y: number, margin: number): boolean {
  return (
    x > -margin && y > -margin && x < camera.width + margin && y < camera.height + margin
  );
}
