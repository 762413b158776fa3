// Finds the seat or block at a point of the plan.

import type { PlanPoint } from '../api/types';
import type { Block, SeatTable } from './seat-table';

const CELL_METRES = 2;
const AISLE_METRES = 5;

export class SeatFinder {
  private readonly cells = new Map<number, number[]>();

  constructor(private readonly table: SeatTable) {
    for (let seat = 0; seat < table.count; seat += 1) {
      const key = cellKey(cell(table.x[seat]), cell(table.y[seat]));
      const list = this.cells.get(key);
      if (list) list.push(seat);
      else this.cells.set(key, [seat]);
    }
  }

  /** The nearest seat within `reach` metres, or -1. */
  seatAt(x: number, y: number, reach: number): number {
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
    const { blocks } = this.table;
    return blocks.length === 0 ? null : blocks.reduce((a, b) => (away(b) < away(a) ? b : a));
  }

  blockAt(x: number, y: number): Block | null {
    return this.table.blocks.find((block) => contains(block.outline, x, y)) ?? null;
  }
}

const cell = (metres: number): number => Math.floor(metres / CELL_METRES);
const cellKey = (x: number, y: number): number => (x + 32_768) * 65_536 + (y + 32_768);

function contains(outline: PlanPoint[], x: number, y: number): boolean {
  let inside = false;
  for (let i = 0, j = outline.length - 1; i < outline.length; j = i, i += 1) {
    const [ax, ay] = outline[i];
    const [bx, by] = outline[j];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}
