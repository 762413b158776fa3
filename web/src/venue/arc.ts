import type { PlanPoint } from '../api/types';

export interface SeatSpot {
  x: number;
  y: number;
  /** Unit vector along the row at this seat. */
  alongX: number;
  alongY: number;
}

/**
 * Centres of the seats of a row: on the chord from `from` to `to`, or on an arc. The middle of the
 * arc is `bow` metres from the chord, to the right of from → to (y grows downwards).
 */
export function rowSpots(from: PlanPoint, to: PlanPoint, bow: number, seats: number): SeatSpot[] {
  const chordX = to[0] - from[0];
  const chordY = to[1] - from[1];
  const chord = Math.hypot(chordX, chordY);
  if (seats === 1 || chord === 0) {
    return Array.from({ length: seats }, () => spot(from[0], from[1], 1, 0));
  }
  const alongX = chordX / chord;
  const alongY = chordY / chord;
  if (Math.abs(bow) < chord * 1e-4) {
    return Array.from({ length: seats }, (_, index) => {
      const share = index / (seats - 1);
      return spot(from[0] + chordX * share, from[1] + chordY * share, alongX, alongY);
    });
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
  return Array.from({ length: seats }, (_, index) => {
    const angle = halfAngle * ((2 * index) / (seats - 1) - 1);
    const sin = Math.sin(angle);
    const cos = Math.cos(angle);
    return spot(
      centreX + radius * (rightX * cos + alongX * sin),
      centreY + radius * (rightY * cos + alongY * sin),
      alongX * cos - rightX * sin,
      alongY * cos - rightY * sin,
    );
  });
}

function spot(x: number, y: number, alongX: number, alongY: number): SeatSpot {
  return { x, y, alongX, alongY };
}
