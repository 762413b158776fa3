// The parts of a plan in one form: every row as a list of runs, every shape as a polygon.

import type { PlanBlock, PlanPoint, PlanRow, PlanRun, PlanShape } from '../api/types';

const CIRCLE_POINTS = 48;
/** The id of the floor of a plan without floors. */
const ONLY_FLOOR = 1;

/** A row without runs is a row with one run. */
export function runsOf(row: PlanRow): readonly PlanRun[] {
  return row.runs?.length ? row.runs : [row as unknown as PlanRun];
}

/** Number of seats of a block, or of places of an area without seats. */
export function placesOf(block: PlanBlock): number {
  if (block.places) return block.places.count;
  let seats = 0;
  for (const row of block.rows ?? []) for (const run of runsOf(row)) seats += run.seats;
  return seats;
}

/** What is written on a seat of a run, or an empty string. */
export function nameAt(run: PlanRun, offset: number): string {
  if (run.names?.length) return run.names[offset];
  if (run.unnumbered) return '';
  return String((run.firstNumber ?? 1) + offset * (run.numberStep ?? 1));
}

export function outlinesOf(block: PlanBlock): PlanPoint[][] {
  return [block.outline, ...(block.moreOutlines ?? [])];
}

export function polygonOf(shape: PlanShape): PlanPoint[] {
  if (!shape.circle) return shape.outline ?? [];
  const { center, radius } = shape.circle;
  return Array.from({ length: CIRCLE_POINTS }, (_, index) => {
    const angle = (index / CIRCLE_POINTS) * 2 * Math.PI;
    return [center[0] + radius * Math.cos(angle), center[1] + radius * Math.sin(angle)];
  });
}

/** The floor of a block. */
export function floorOf(block: PlanBlock, floors: readonly { id: number }[]): number {
  return block.floor ?? floors[0]?.id ?? ONLY_FLOOR;
}

/** Whether a shape, text or image is on a floor. Without a floor it is on all of them. */
export function isOn(part: { floor?: number | null }, floor: number): boolean {
  return (part.floor ?? floor) === floor;
}

export interface Bounds {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export function boxOfPoints(points: Iterable<readonly [number, number]>): Bounds {
  const box = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  for (const [x, y] of points) {
    box.left = Math.min(box.left, x);
    box.right = Math.max(box.right, x);
    box.top = Math.min(box.top, y);
    box.bottom = Math.max(box.bottom, y);
  }
  return box;
}

/** Twice the area of a polygon. It is negative if the points go against the clock. */
function doubledArea(outline: readonly PlanPoint[]): number {
  let doubled = 0;
  for (let index = 0; index < outline.length; index += 1) {
    const [ax, ay] = outline[index];
    const [bx, by] = outline[(index + 1) % outline.length];
    doubled += ax * by - bx * ay;
  }
  return doubled;
}

export function areaOf(outline: readonly PlanPoint[]): number {
  return Math.abs(doubledArea(outline)) / 2;
}

/** Centre of mass of a polygon, the best position for its name. */
export function centroid(outline: readonly PlanPoint[]): PlanPoint {
  const doubled = doubledArea(outline);
  if (Math.abs(doubled) < 1e-6) return outline[0];
  let x = 0;
  let y = 0;
  for (let index = 0; index < outline.length; index += 1) {
    const [ax, ay] = outline[index];
    const [bx, by] = outline[(index + 1) % outline.length];
    const cross = ax * by - bx * ay;
    x += (ax + bx) * cross;
    y += (ay + by) * cross;
  }
  return [x / (3 * doubled), y / (3 * doubled)];
}

export function contains(outline: readonly PlanPoint[], x: number, y: number): boolean {
  let inside = false;
  for (let i = 0, j = outline.length - 1; i < outline.length; j = i, i += 1) {
    const [ax, ay] = outline[i];
    const [bx, by] = outline[j];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}
