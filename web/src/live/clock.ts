// The server's clock. It decides deadlines, so a wrong clock of the fan's device must not matter.

import { signal } from '@preact/signals';
import { fetchTime } from '../api/endpoints';

let offsetMs = 0;
let bestRoundTripMs = Infinity;

/** The server's time now, in ms. */
export const serverNow = (): number => Date.now() + offsetMs;

/** False until the first measurement. Before that nothing may be shown as expired. */
export const clockKnown = signal(false);

/** Ticks once a second while a countdown is on the page. */
export const secondTick = signal(0);

/** A visible page that misses its ticks for this time has slept. */
const SLEEP_MIN_MS = 10_000;
const sleepers = new Set<() => void>();
let tickedAt = Date.now();

setInterval(() => {
  const slept = Date.now() - tickedAt > SLEEP_MIN_MS;
  tickedAt = Date.now();
  secondTick.value += 1;
  if (slept && !document.hidden) for (const wake of sleepers) wake();
}, 1000);

/** Calls `wake` when the device may have slept, changed its network, or shown another tab. */
export function onWake(wake: () => void): () => void {
  const seen = () => void (document.hidden || wake());
  sleepers.add(wake);
  document.addEventListener('visibilitychange', seen);
  window.addEventListener('pageshow', seen);
  window.addEventListener('online', seen);
  return () => {
    sleepers.delete(wake);
    document.removeEventListener('visibilitychange', seen);
    window.removeEventListener('pageshow', seen);
    window.removeEventListener('online', seen);
  };
}

/** Measures the offset. The measurement with the shortest round trip wins. */
export async function measureClock(signal?: AbortSignal): Promise<void> {
  const sentAt = performance.now();
  const { now } = await fetchTime(signal);
  const roundTripMs = performance.now() - sentAt;
  const measured = Date.parse(now) + roundTripMs / 2 - Date.now();
  // A worse measurement is ignored, unless the clock of the device was set meanwhile.
  const clockIsSteady = Math.abs(measured - offsetMs) <= roundTripMs;
  if (clockIsSteady && roundTripMs > bestRoundTripMs * 1.5) return;
  bestRoundTripMs = Math.min(roundTripMs, bestRoundTripMs);
  offsetMs = measured;
  clockKnown.value = true;
}

/** Whole seconds until a moment of the server's clock; never negative. */
export function secondsUntil(moment: string): number {
  return Math.max(0, Math.ceil((Date.parse(moment) - serverNow()) / 1000));
}
