// Names of the blocks of a floor with their free seats, and labels of rows at a large scale. Always
// upright, in screen pixels.

import { BitmapText, Container } from 'pixi.js';
import type { SeatStates } from '../venue/seat-states';
import { areaOf } from '../venue/plan-parts';
import type { Block, Row, SeatTable } from '../venue/seat-table';
import type { Camera, View } from './camera';
import type { MapColors } from './map-colors';

const NAME_PIXELS = 13;
const ROW_LABEL_SCALE = 17;
const MOST_ROW_LABELS = 400;
/** The map may move by so many pixels before the labels that it shows are looked up again. */
const REACH_PIXELS = 120;
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
  /** The view for which labels were looked up. Pixi makes its list of drawings again when one appears. */
  private lookedUp: (View & { width: number; height: number }) | null = null;
  private rows: Row[] = [];
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
    const isStale = !this.covers(camera);
    if (isStale) {
      const { x, y, scale, width, height } = camera;
      this.lookedUp = { x, y, scale, width, height };
    }
    for (const label of this.blocks) {
      if (!isStale && !label.texts?.root.visible) continue;
      const { x, y } = camera.toScreen(label.block.centre[0], label.block.centre[1]);
      const size = label.metres * camera.scale;
      // Fades out before the seats are fully visible, because text over seats is unreadable.
      const alpha = label.block.isArea ? 1 : 1 - near * 2;
      if (isStale) this.look(label, alpha > 0 && size > 22 && inView(camera, x, y, 60 + REACH_PIXELS));
      if (!label.texts?.root.visible) continue;
      const { root, name, left, nameWidth } = label.texts;
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
    this.placeRows(camera, isStale);
  }

  /** Whether the labels that were looked up are those of this view. */
  private covers({ x, y, scale, width, height }: Camera): boolean {
    const known = this.lookedUp;
    if (known?.scale !== scale || known.width !== width || known.height !== height) return false;
    return Math.max(Math.abs(x - known.x), Math.abs(y - known.y)) * scale < REACH_PIXELS;
  }

  private look(label: BlockLabel, isSeen: boolean): void {
    if (isSeen) label.texts ??= this.makeTexts(label.block);
    if (label.texts) label.texts.root.visible = isSeen;
  }

  private placeRows(camera: Camera, isStale: boolean): void {
    this.rowRoot.visible = camera.scale >= ROW_LABEL_SCALE;
    if (!this.rowRoot.visible) return;
    if (isStale) this.lookUpRows(camera);
    for (const [index, row] of this.rows.entries()) {
      const at = this.rowSpot(camera, row);
      this.rowPool[index].position.set(at.x, at.y);
    }
  }

  /** Finds the rows that are on the screen or near it, and writes their names. */
  private lookUpRows(camera: Camera): void {
    const seen = this.blocks.filter(({ block }) => camera.sees(this.table.boxOf(block), REACH_PIXELS));
    this.rows = seen
      .flatMap(({ block }) => this.table.rowsOf(block))
      .filter((row) => {
        const at = this.rowSpot(camera, row);
        return row.label && inView(camera, at.x, at.y, 20 + REACH_PIXELS);
      })
      .slice(0, MOST_ROW_LABELS);
    for (const [index, row] of this.rows.entries()) {
      const label = this.rowLabel(index);
      if (label.text !== row.label) label.text = row.label;
      label.visible = true;
      label.scale.set(Math.min(1.2, camera.scale / 28));
    }
    for (let index = this.rows.length; index < this.rowPool.length; index += 1) {
      this.rowPool[index].visible = false;
    }
  }

  /** Where the name of a row is on the screen: beside its first seat. */
  private rowSpot(camera: Camera, { firstSeat }: Row): { x: number; y: number } {
    const { x, y, alongX, alongY } = this.table;
    return camera.toScreen(x[firstSeat] - alongX[firstSeat] * 2.6, y[firstSeat] - alongY[firstSeat] * 2.6);
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
