// The server's clock. Deadlines are the server's, so a fan's wrong clock must not matter.

import { signal } from '@preact/signals';
import { fetchTime } from '../api/endpoints';

let offsetMs = 0;
let bestRoundTripMs = Infinity;

/** The server's time now, in ms. */
export const serverNow = (): number => Date.now() + offsetMs;

/** Until the first measurement nothing may be called overdue. */
export const clockKnown = signal(false);

/** Ticks once a second while a countdown is on the page. */
export const secondTick = signal(0);

setInterval(() => {
  secondTick.value += 1;
}, 1000);

/** Measures the offset; of several measurements the one with the shortest trip is kept. */
export async function measureClock(signal?: AbortSignal): Promise<void> {
  const sentAt = performance.now();
  const { now } = await fetchTime(signal);
  const roundTripMs = performance.now() - sentAt;
  const measured = Date.parse(now) + roundTripMs / 2 - Date.now();
  // Unless somebody has set the fan's clock meanwhile, a worse measurement says nothing.
  const clockStands = Math.abs(measured - offsetMs) <= roundTripMs;
  if (clockStands && roundTripMs > bestRoundTripMs * 1.5) return;
  bestRoundTripMs = Math.min(roundTripMs, bestRoundTripMs);
  offsetMs = measured;
  clockKnown.value = true;
}

/** Whole seconds until a moment of the server's clock; never negative. */
export function secondsUntil(moment: string): number {
  return Math.max(0, Math.ceil((Date.parse(moment) - serverNow()) / 1000));
}
