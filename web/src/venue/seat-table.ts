// The plan as plain arrays: every seat has an index, in plan order. 25,000 objects for seats would
// cost a phone more than the map itself.

import type { Plan, PlanBlock, PlanPoint } from '../api/types';
import { rowSpots } from './arc';

export interface Grade {
  code: string;
  name: string;
  price: number;
  color: string;
}

export interface Row {
  label: string;
  block: number;
  firstSeat: number;
  seats: number;
  grade: number;
}

export interface Block {
  index: number;
  id: number;
  name: string;
  section: number;
  grade: number;
  outline: PlanPoint[];
  centre: PlanPoint;
  firstSeat: number;
  seats: number;
  firstRow: number;
  rows: number;
}

export interface Section {
  index: number;
  id: number;
  name: string;
  areaName: string;
  blocks: number[];
}

export interface Bounds {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export class SeatTable {
  readonly grades: Grade[];
  readonly sections: Section[] = [];
  readonly blocks: Block[] = [];
  readonly rows: Row[] = [];
  readonly count: number;
  readonly ids: Int32Array;
  readonly x: Float32Array;
  readonly y: Float32Array;
  /** A vector along the row, with half the width of a seat as its length. */
  readonly alongX: Float32Array;
  readonly alongY: Float32Array;
  readonly number: Uint32Array;
  readonly rowOf: Uint32Array;
  readonly bounds: Bounds;
  private readonly indexOfId = new Map<number, number>();

  constructor(readonly plan: Plan) {
    this.grades = plan.grades;
    this.count = countSeats(plan);
    this.ids = new Int32Array(this.count);
    this.x = new Float32Array(this.count);
    this.y = new Float32Array(this.count);
    this.alongX = new Float32Array(this.count);
    this.alongY = new Float32Array(this.count);
    this.number = new Uint32Array(this.count);
    this.rowOf = new Uint32Array(this.count);
    let seat = 0;
    for (const area of plan.areas) {
      for (const section of area.sections) {
        const entry: Section = {
          index: this.sections.length,
          id: section.id,
          name: section.name,
          areaName: area.name,
          blocks: [],
        };
        this.sections.push(entry);
        for (const block of section.blocks) {
          entry.blocks.push(this.blocks.length);
          seat = this.addBlock(block, entry.index, seat);
        }
      }
    }
    this.bounds = boxOfPoints([
      ...(plan.shapes ?? []).flatMap((shape) => shape.outline),
      ...this.blocks.flatMap((block) => block.outline),
    ]);
  }

  indexOf(seatId: number): number | undefined {
    return this.indexOfId.get(seatId);
  }

  row(seat: number): Row {
    return this.rows[this.rowOf[seat]];
  }

  block(seat: number): Block {
    return this.blocks[this.row(seat).block];
  }

  /** The name of a seat on its ticket, in the server's words. */
  label(seat: number, language: 'ko' | 'en'): string {
    const { blocks, row, seat: word, end } = this.plan.labels[language];
    const { block, label } = this.row(seat);
    return `${blocks[block]}${row}${label}${word}${this.number[seat]}${end}`;
  }

  grade(seat: number): Grade {
    return this.grades[this.row(seat).grade];
  }

  rowsOf(block: Block): Row[] {
    return this.rows.slice(block.firstRow, block.firstRow + block.rows);
  }

  /** The bounds of a block's outline and of all its seats, because seats may be outside the outline. */
  boxOf(block: Block): Bounds {
    const points: PlanPoint[] = [...block.outline];
    for (let seat = block.firstSeat; seat < block.firstSeat + block.seats; seat += 1) {
      points.push([this.x[seat], this.y[seat]]);
    }
    return boxOfPoints(points);
  }

  private gradeIndex(code: string): number {
    return Math.max(0, this.grades.findIndex((grade) => grade.code === code));
  }

  private addBlock(block: PlanBlock, section: number, firstSeat: number): number {
    const index = this.blocks.length;
    const firstRow = this.rows.length;
    const half = halfSeat(block);
    let seat = firstSeat;
    for (const row of block.rows) {
      const grade = this.gradeIndex(row.grade ?? block.grade);
      const rowIndex = this.rows.length;
      this.rows.push({ label: row.label, block: index, firstSeat: seat, seats: row.seats, grade });
      for (const [offset, spot] of rowSpots(row.from, row.to, row.bow ?? 0, row.seats).entries()) {
        this.ids[seat] = row.firstSeatId + offset;
        this.indexOfId.set(row.firstSeatId + offset, seat);
        this.x[seat] = spot.x;
        this.y[seat] = spot.y;
        this.alongX[seat] = spot.alongX * half;
        this.alongY[seat] = spot.alongY * half;
        this.number[seat] = (row.firstNumber ?? 1) + offset * (row.numberStep ?? 1);
        this.rowOf[seat] = rowIndex;
        seat += 1;
      }
    }
    this.blocks.push({
      index,
      id: block.id,
      name: block.name,
      section,
      grade: this.gradeIndex(block.grade),
      outline: block.outline,
      centre: centroid(block.outline),
      firstSeat,
      seats: seat - firstSeat,
      firstRow,
      rows: block.rows.length,
    });
    return seat;
  }
}

const SHARE_OF_GAP = 0.42;
const WIDEST_HALF_SEAT = 0.45;

/** Half the side of a seat of this block, so that it fits between its neighbours and between rows. */
function halfSeat(block: PlanBlock): number {
  let gap = Infinity;
  let previous: PlanPoint | null = null;
  for (const row of block.rows) {
    const spots = rowSpots(row.from, row.to, row.bow ?? 0, row.seats);
    if (spots.length > 1) {
      gap = Math.min(gap, Math.hypot(spots[1].x - spots[0].x, spots[1].y - spots[0].y));
    }
    const middle = spots[spots.length >> 1];
    if (previous) gap = Math.min(gap, Math.hypot(middle.x - previous[0], middle.y - previous[1]));
    previous = [middle.x, middle.y];
  }
  return Number.isFinite(gap) ? Math.min(WIDEST_HALF_SEAT, gap * SHARE_OF_GAP) : 0.2;
}

function countSeats(plan: Plan): number {
  let count = 0;
  for (const area of plan.areas) {
    for (const section of area.sections) {
      for (const block of section.blocks) {
        for (const row of block.rows) count += row.seats;
      }
    }
  }
  return count;
}

/** Centre of mass of a polygon, the best position for its name. */
function centroid(outline: PlanPoint[]): PlanPoint {
  let area = 0;
  let x = 0;
  let y = 0;
  for (let index = 0; index < outline.length; index += 1) {
    const [ax, ay] = outline[index];
    const [bx, by] = outline[(index + 1) % outline.length];
    const cross = ax * by - bx * ay;
    area += cross;
    x += (ax + bx) * cross;
    y += (ay + by) * cross;
  }
  if (Math.abs(area) < 1e-6) return outline[0];
  return [x / (3 * area), y / (3 * area)];
}

export function boxOfPoints(points: readonly (readonly [number, number])[]): Bounds {
  const box = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  for (const [x, y] of points) {
    box.left = Math.min(box.left, x);
    box.right = Math.max(box.right, x);
    box.top = Math.min(box.top, y);
    box.bottom = Math.max(box.bottom, y);
  }
  return box;
}
