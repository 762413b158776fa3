// How long the user still waits. The estimate of one place only falls, unless the waiting room says
// that it lets in fewer people or nobody.

import { computed, effect, signal } from '@preact/signals';
import type { WaitEstimate } from '../api/types';
import { serving } from './match';
import { ahead, place } from './queue';
import { roomState } from './room';

/** The server sends this when the wait is an hour or longer. */
export const LONGEST_SECONDS = 3600;

const isCapped = (eta: WaitEstimate) => eta.p90Seconds >= LONGEST_SECONDS;

const times = (eta: WaitEstimate, share: number): WaitEstimate => ({
  p50Seconds: eta.p50Seconds * share,
  p90Seconds: eta.p90Seconds * share,
});

const latest = computed<WaitEstimate | null>(() => {
  const mine = place.value;
  const line = serving.value;
  const before = ahead.value;
  const moves = roomState.value === 'OPEN' || roomState.value === 'SLOWED';
  if (!mine || mine.number === null || before === null || !moves) return null;
  // The pace is unknown, or nobody is admitted any more, so an earlier estimate is worthless.
  if (line && !line.eta) return null;
  // The user's share of the estimate for all who wait, because both have the same pace.
  if (line?.eta && line.waiting > 0 && !isCapped(line.eta)) {
    return times(line.eta, Math.min(1, before / line.waiting));
  }
  if (!mine.eta || isCapped(mine.eta) || !mine.ahead) return mine.eta;
  return times(mine.eta, Math.min(1, before / mine.ahead));
});

/** The estimate that the page shows. */
export const estimate = signal<WaitEstimate | null>(null);

/** The lowest estimate of the place so far. */
let lowest: WaitEstimate | null = null;
let ofNumber: number | null = null;

effect(() => {
  const now = latest.value;
  const number = place.value?.number ?? null;
  if (roomState.value !== 'OPEN' || number !== ofNumber) lowest = null;
  ofNumber = number;
  if (now) {
    lowest = {
      p50Seconds: Math.min(now.p50Seconds, lowest?.p50Seconds ?? Infinity),
      p90Seconds: Math.min(now.p90Seconds, lowest?.p90Seconds ?? Infinity),
    };
  }
  estimate.value = now && lowest;
});
