// The plan as plain arrays: every seat has an index, in plan order. 200,000 objects for seats would
// cost a phone more than the map itself. The places of an area without seats have indices too.

import type { Plan, PlanBlock, PlanImage, PlanPoint, PlanRow, PlanRun } from '../api/types';
import { placeAtPoints, placeOnArc, type Spots } from './arc';
import {
  areaOf,
  boxOfPoints,
  centroid,
  floorOf,
  isOn,
  nameAt,
  outlinesOf,
  placesOf,
  polygonOf,
  runsOf,
  type Bounds,
} from './plan-parts';

export type { Bounds };

export interface Grade {
  code: string;
  name: string;
  price: number;
  color: string;
}

/** Seats side by side without an aisle between them, or the places of an area. */
export interface Run {
  row: number;
  firstSeat: number;
  firstId: number;
  seats: number;
  grade: number;
  /** Seats that are sold only together, from the first seat on. 1 if each is sold alone. */
  unitSeats: number;
  /** Whether its first seat is beside the last seat of the run before it. */
  joined: boolean;
}

export interface Row {
  /** Empty if the row has no name. */
  label: string;
  block: number;
  firstSeat: number;
  seats: number;
  firstRun: number;
  runs: number;
}

export interface Block {
  index: number;
  id: number;
  name: string;
  section: number;
  grade: number;
  floor: number;
  /** An area that has places and no seats. */
  isArea: boolean;
  outlines: PlanPoint[][];
  /** The middle of the largest outline. */
  centre: PlanPoint;
  firstSeat: number;
  seats: number;
  firstRow: number;
  rows: number;
  firstRun: number;
  runs: number;
}

export interface Section {
  index: number;
  id: number;
  name: string;
  areaId: number;
  areaName: string;
  blocks: number[];
}

export interface Floor {
  id: number;
  name: string;
}

/** Bits of `SeatTable.attributes`. */
export const ACCESSIBLE = 1;
export const COMPANION = 2;
export const RESTRICTED_VIEW = 4;
const ATTRIBUTES = { accessible: ACCESSIBLE, companion: COMPANION, restrictedView: RESTRICTED_VIEW };

export class SeatTable implements Spots {
  readonly grades: Grade[];
  readonly floors: readonly Floor[];
  readonly sections: Section[] = [];
  readonly blocks: Block[] = [];
  readonly rows: Row[] = [];
  readonly runs: Run[] = [];
  readonly count: number;
  readonly ids: Int32Array;
  readonly x: Float32Array;
  readonly y: Float32Array;
  /** A vector along the row, with half the width of a seat as its length. */
  readonly alongX: Float32Array;
  readonly alongY: Float32Array;
  readonly attributes: Uint8Array;
  /** What is written on seats, each text once. The first text is empty. */
  readonly names: string[] = [''];
  /** Index of the name of each seat. */
  readonly nameOf: Uint32Array;
  private readonly runOf: Uint32Array;
  private readonly runsById: Run[];
  private readonly nameIndex = new Map<string, number>([['', 0]]);
  private readonly boxes: Bounds[] = [];
  private filled = 0;
  /** The attributes that any seat has. */
  private allAttributes = 0;

  constructor(readonly plan: Plan) {
    this.grades = plan.grades;
    this.floors = plan.floors ?? [];
    const blocks = plan.areas.flatMap((area) => area.sections.flatMap((section) => section.blocks));
    this.count = blocks.reduce((sum, block) => sum + placesOf(block), 0);
    this.ids = new Int32Array(this.count);
    this.x = new Float32Array(this.count);
    this.y = new Float32Array(this.count);
    this.alongX = new Float32Array(this.count);
    this.alongY = new Float32Array(this.count);
    this.attributes = new Uint8Array(this.count);
    this.nameOf = new Uint32Array(this.count);
    this.runOf = new Uint32Array(this.count);
    for (const area of plan.areas) {
      for (const { id, name, blocks } of area.sections) {
        const index = this.sections.length;
        const first = this.blocks.length;
        const indices = blocks.map((_, at) => first + at);
        this.sections.push({ index, id, name, areaId: area.id, areaName: area.name, blocks: indices });
        for (const block of blocks) this.addBlock(block, index);
      }
    }
    this.runsById = [...this.runs].sort((a, b) => a.firstId - b.firstId);
    for (const block of blocks) this.addAttributes(block);
  }

  indexOf(seatId: number): number | undefined {
    let [low, high] = [0, this.runsById.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.runsById[middle].firstId <= seatId) low = middle + 1;
      else high = middle;
    }
    const run = this.runsById[low - 1];
    if (!run || seatId >= run.firstId + run.seats) return undefined;
    return run.firstSeat + seatId - run.firstId;
  }

  run(seat: number): Run {
    return this.runs[this.runOf[seat]];
  }

  row(seat: number): Row {
    return this.rows[this.run(seat).row];
  }

  block(seat: number): Block {
    return this.blocks[this.blockOf(seat)];
  }

  /** Index of the block of a seat. */
  blockOf(seat: number): number {
    return this.rows[this.runs[this.runOf[seat]].row].block;
  }

  grade(seat: number): Grade {
    return this.grades[this.run(seat).grade];
  }

  name(seat: number): string {
    return this.names[this.nameOf[seat]];
  }

  /** The name of a seat on its ticket, in the server's words. */
  label(seat: number, language: 'ko' | 'en'): string {
    const words = this.plan.labels[language];
    const { block, label } = this.row(seat);
    const place = words.blocks[block];
    const name = this.name(seat);
    if (!label) return name ? `${place}${words.seatOnly}${name}${words.end}` : place;
    if (!name) return `${place}${words.row}${label}${words.rowEnd}`;
    return `${place}${words.row}${label}${words.seat}${name}${words.end}`;
  }

  has(seat: number, attribute: number): boolean {
    return (this.attributes[seat] & attribute) !== 0;
  }

  hasAny(attribute: number): boolean {
    return (this.allAttributes & attribute) !== 0;
  }

  /** The seats that are sold only together with this one, and the seat itself. */
  unitOf(seat: number): number[] {
    const { firstSeat, unitSeats } = this.run(seat);
    const first = firstSeat + Math.floor((seat - firstSeat) / unitSeats) * unitSeats;
    return Array.from({ length: unitSeats }, (_, offset) => first + offset);
  }

  /** The id by which people hold places of an area without seats. */
  areaIdOf(block: Block): number {
    return this.sections[block.section].areaId;
  }

  rowsOf(block: Block): Row[] {
    return this.rows.slice(block.firstRow, block.firstRow + block.rows);
  }

  runsOf(part: { firstRun: number; runs: number }): Run[] {
    return this.runs.slice(part.firstRun, part.firstRun + part.runs);
  }

  blocksOn(floor: number): Block[] {
    return this.blocks.filter((block) => block.floor === floor);
  }

  /** The bounds of a block's outlines and of all its seats, because seats may be outside the outline. */
  boxOf(block: Block): Bounds {
    return (this.boxes[block.index] ??= this.measure(block));
  }

  /** The bounds of what is drawn on a floor. */
  boundsOf(floor: number): Bounds {
    const { shapes = [], images = [] } = this.plan;
    const corners = ({ at: [x, y], width, height }: PlanImage): PlanPoint[] => [
      [x - width / 2, y - height / 2],
      [x + width / 2, y + height / 2],
    ];
    return boxOfPoints([
      ...shapes.filter((shape) => isOn(shape, floor)).flatMap(polygonOf),
      ...images.filter((image) => isOn(image, floor)).flatMap(corners),
      ...this.blocksOn(floor).flatMap((block) => block.outlines.flat()),
    ]);
  }

  private measure(block: Block): Bounds {
    const box = boxOfPoints(block.outlines.flat());
    for (let seat = block.firstSeat; seat < block.firstSeat + block.seats; seat += 1) {
      box.left = Math.min(box.left, this.x[seat]);
      box.right = Math.max(box.right, this.x[seat]);
      box.top = Math.min(box.top, this.y[seat]);
      box.bottom = Math.max(box.bottom, this.y[seat]);
    }
    return box;
  }

  private gradeIndex(code: string): number {
    return Math.max(0, this.grades.findIndex((grade) => grade.code === code));
  }

  private addBlock(block: PlanBlock, section: number): void {
    const index = this.blocks.length;
    const [firstSeat, firstRow, firstRun] = [this.filled, this.rows.length, this.runs.length];
    const outlines = outlinesOf(block);
    const largest = outlines.reduce((a, b) => (areaOf(b) > areaOf(a) ? b : a));
    const centre = centroid(largest);
    if (block.places) this.addPlaces(block, index, centre);
    else for (const row of block.rows ?? []) this.addRow(row, block, index);
    this.blocks.push({
      index,
      id: block.id,
      name: block.name,
      section,
      grade: this.gradeIndex(block.grade),
      floor: floorOf(block, this.floors),
      isArea: Boolean(block.places),
      outlines,
      centre,
      firstSeat,
      seats: this.filled - firstSeat,
      firstRow,
      rows: this.rows.length - firstRow,
      firstRun,
      runs: this.runs.length - firstRun,
    });
    const half = this.halfSeat(this.blocks[index]);
    for (let seat = firstSeat; seat < this.filled; seat += 1) {
      this.alongX[seat] *= half;
      this.alongY[seat] *= half;
    }
  }

  /** The places of an area are in the middle of it, so that the map can fly there. */
  private addPlaces(block: PlanBlock, index: number, centre: PlanPoint): void {
    const { firstSeatId, count } = block.places!;
    const first = this.filled;
    const run = { firstSeatId, seats: count, unnumbered: true } as PlanRun;
    this.openRow('', index);
    this.addRun(run, this.gradeIndex(block.grade));
    for (let seat = first; seat < this.filled; seat += 1) [this.x[seat], this.y[seat]] = centre;
    this.closeRow();
  }

  private addRow(row: PlanRow, block: PlanBlock, index: number): void {
    this.openRow(row.label ?? '', index);
    for (const run of runsOf(row)) {
      const first = this.filled;
      this.addRun(run, this.gradeIndex(run.grade ?? row.grade ?? block.grade));
      if (run.points?.length) placeAtPoints(this, first, run.points);
      else if (run.from && run.to) placeOnArc(this, first, run.seats, run.from, run.to, run.bow ?? 0);
    }
    this.closeRow();
  }

  private openRow(label: string, block: number): void {
    this.rows.push({ label, block, firstSeat: this.filled, seats: 0, firstRun: this.runs.length, runs: 0 });
  }

  private closeRow(): void {
    const row = this.rows[this.rows.length - 1];
    row.seats = this.filled - row.firstSeat;
    row.runs = this.runs.length - row.firstRun;
  }

  private addRun(run: PlanRun, grade: number): void {
    const index = this.runs.length;
    const first = this.filled;
    this.runs.push({
      row: this.rows.length - 1,
      firstSeat: first,
      firstId: run.firstSeatId,
      seats: run.seats,
      grade,
      unitSeats: run.unitSeats ?? 1,
      joined: run.joined ?? false,
    });
    for (let offset = 0; offset < run.seats; offset += 1) {
      this.ids[first + offset] = run.firstSeatId + offset;
      this.nameOf[first + offset] = this.keepName(nameAt(run, offset));
      this.runOf[first + offset] = index;
    }
    this.filled += run.seats;
  }

  private keepName(name: string): number {
    let index = this.nameIndex.get(name);
    if (index === undefined) {
      index = this.names.push(name) - 1;
      this.nameIndex.set(name, index);
    }
    return index;
  }

  private addAttributes(block: PlanBlock): void {
    for (const [name, bit] of Object.entries(ATTRIBUTES)) {
      for (const id of block.attributes?.[name] ?? []) {
        const seat = this.indexOf(id);
        if (seat === undefined) continue;
        this.attributes[seat] |= bit;
        this.allAttributes |= bit;
      }
    }
  }

  /** Half the side of a seat of this block, so that it fits between its neighbours and between rows. */
  private halfSeat(block: Block): number {
    let gap = Infinity;
    let previous = -1;
    for (const row of this.rowsOf(block)) {
      for (const { firstSeat, seats } of this.runsOf(row)) {
        if (seats > 1) gap = Math.min(gap, this.distance(firstSeat, firstSeat + 1));
      }
      const middle = row.firstSeat + (row.seats >> 1);
      if (previous >= 0) gap = Math.min(gap, this.distance(previous, middle));
      previous = middle;
    }
    return Number.isFinite(gap) ? Math.min(WIDEST_HALF_SEAT, gap * SHARE_OF_GAP) : LONELY_HALF_SEAT;
  }

  private distance(a: number, b: number): number {
    return Math.hypot(this.x[a] - this.x[b], this.y[a] - this.y[b]);
  }
}

const SHARE_OF_GAP = 0.42;
const WIDEST_HALF_SEAT = 0.45;
/** For a seat without any other seat beside it. */
const LONELY_HALF_SEAT = 0.2;
