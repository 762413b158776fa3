// Where the seats of a run are: on a line, on an arc, or at points of their own.

import type { PlanPoint } from '../api/types';

/** Centres of seats, and for each a unit vector along its row. */
export interface Spots {
  x: Float32Array;
  y: Float32Array;
  alongX: Float32Array;
  alongY: Float32Array;
}

/**
 * Writes the spots of `seats` seats from index `first` on: on the chord from `from` to `to`, or on an
 * arc. The middle of the arc is `bow` metres from the chord, to the right of from → to (y grows
 * downwards).
 */
export function placeOnArc(
  spots: Spots,
  first: number,
  seats: number,
  from: PlanPoint,
  to: PlanPoint,
  bow: number,
): void {
  const chordX = to[0] - from[0];
  const chordY = to[1] - from[1];
  const chord = Math.hypot(chordX, chordY);
  if (seats === 1 || chord === 0) {
    for (let seat = first; seat < first + seats; seat += 1) put(spots, seat, from[0], from[1], 1, 0);
    return;
  }
  const alongX = chordX / chord;
  const alongY = chordY / chord;
  if (Math.abs(bow) < chord * 1e-4) {
    for (let index = 0; index < seats; index += 1) {
      const share = index / (seats - 1);
      put(spots, first + index, from[0] + chordX * share, from[1] + chordY * share, alongX, alongY);
    }
    return;
  }
  // If y grows downwards, the direction to the right of the chord is (-alongY, alongX).
  const rightX = -alongY;
  const rightY = alongX;
  const half = chord / 2;
  const radius = (half * half + bow * bow) / (2 * bow);
  const centreX = (from[0] + to[0]) / 2 + rightX * (bow - radius);
  const centreY = (from[1] + to[1]) / 2 + rightY * (bow - radius);
  // Equal angles give equal distances between seats along the arc.
  const halfAngle = 2 * Math.atan(bow / half);
  for (let index = 0; index < seats; index += 1) {
    const angle = halfAngle * ((2 * index) / (seats - 1) - 1);
    const sin = Math.sin(angle);
    const cos = Math.cos(angle);
    put(
      spots,
      first + index,
      centreX + radius * (rightX * cos + alongX * sin),
      centreY + radius * (rightY * cos + alongY * sin),
      alongX * cos - rightX * sin,
      alongY * cos - rightY * sin,
    );
  }
}

/** Writes spots at points of their own. A seat is parallel to the line between its neighbours. */
export function placeAtPoints(spots: Spots, first: number, points: readonly PlanPoint[]): void {
  const last = points.length - 1;
  for (const [index, [x, y]] of points.entries()) {
    const before = points[Math.max(0, index - 1)];
    const after = points[Math.min(last, index + 1)];
    const alongX = after[0] - before[0];
    const alongY = after[1] - before[1];
    const length = Math.hypot(alongX, alongY);
    if (length === 0) put(spots, first + index, x, y, 1, 0);
    else put(spots, first + index, x, y, alongX / length, alongY / length);
  }
}

function put(spots: Spots, seat: number, x: number, y: number, alongX: number, alongY: number): void {
  spots.x[seat] = x;
  spots.y[seat] = y;
  spots.alongX[seat] = alongX;
  spots.alongY[seat] = alongY;
}
