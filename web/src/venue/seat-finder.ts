// Finds the seat or block at a point of a floor of the plan.

import { boxOfPoints, contains, type Bounds } from './plan-parts';
import type { Block, SeatTable } from './seat-table';

const CELL_METRES = 2;
const AISLE_METRES = 5;

export class SeatFinder {
  private readonly blocks: Block[];
  private readonly boxes: Bounds[];
  /** Filled at the first question, because a map that opens has more urgent things to do. */
  private cells: Map<number, number[]> | null = null;

  constructor(
    private readonly table: SeatTable,
    floor: number,
  ) {
    this.blocks = table.blocksOn(floor);
    this.boxes = this.blocks.map((block) => boxOfPoints(block.outlines.flat()));
  }

  /** The nearest seat within `reach` metres, or -1. */
  seatAt(x: number, y: number, reach: number): number {
    this.cells ??= this.fillCells();
    let best = -1;
    let bestSquare = reach * reach;
    for (let cx = cell(x - reach); cx <= cell(x + reach); cx += 1) {
      for (let cy = cell(y - reach); cy <= cell(y + reach); cy += 1) {
        for (const seat of this.cells.get(cellKey(cx, cy)) ?? []) {
          const square = (this.table.x[seat] - x) ** 2 + (this.table.y[seat] - y) ** 2;
          if (square < bestSquare) {
            bestSquare = square;
            best = seat;
          }
        }
      }
    }
    return best;
  }

  /** Index of the block at a point, or of the nearest block across the aisle. */
  blockNear(x: number, y: number): number | null {
    const block = this.blockAt(x, y);
    if (block) return block.index;
    const seat = this.seatAt(x, y, AISLE_METRES);
    return seat < 0 ? null : this.table.row(seat).block;
  }

  /** The block with the nearest middle, or null if the point is on a block. */
  nearestBlock(x: number, y: number): Block | null {
    if (this.blockNear(x, y) !== null) return null;
    const away = ({ centre }: Block) => Math.hypot(centre[0] - x, centre[1] - y);
    const { blocks } = this;
    return blocks.length === 0 ? null : blocks.reduce((a, b) => (away(b) < away(a) ? b : a));
  }

  blockAt(x: number, y: number): Block | null {
    const found = this.blocks.find((block, index) => {
      const { left, right, top, bottom } = this.boxes[index];
      if (x < left || x > right || y < top || y > bottom) return false;
      return block.outlines.some((outline) => contains(outline, x, y));
    });
    return found ?? null;
  }

  private fillCells(): Map<number, number[]> {
    const cells = new Map<number, number[]>();
    for (const block of this.blocks) {
      if (block.isArea) continue;
      for (let seat = block.firstSeat; seat < block.firstSeat + block.seats; seat += 1) {
        const key = cellKey(cell(this.table.x[seat]), cell(this.table.y[seat]));
        const list = cells.get(key);
        if (list) list.push(seat);
        else cells.set(key, [seat]);
      }
    }
    return cells;
  }
}

const cell = (metres: number): number => Math.floor(metres / CELL_METRES);
const cellKey = (x: number, y: number): number => (x + 32_768) * 65_536 + (y + 32_768);
