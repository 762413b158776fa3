// The waiting room of the match on the page, as everybody sees it.

import { computed, signal } from '@preact/signals';
import { fetchServing } from '../api/endpoints';
import { asProblem } from '../api/problem';
import type { QueueSettings, RoomState } from '../api/types';
import { serverNow } from '../live/clock';
import { openMatch, refreshMatch, serving } from './match';

/** How the organiser runs the waiting room. */
export const settings = computed<QueueSettings | null>(() => openMatch.value?.match.queue ?? null);

/** Whether people wait for this match, or will as soon as they may join. */
export const roomOpen = computed(() => {
  const match = openMatch.value?.match;
  if (!match?.queue.enabled) return false;
  return match.status === 'OPEN' || match.status === 'ANNOUNCED';
});

/** The match says whether there is a line at all, and the frame says how it moves. */
export const roomState = computed<RoomState>(() => {
  const match = openMatch.value?.match;
  if (!match?.queue.enabled) return 'OFF';
  if (match.status === 'CLOSED') return 'CLOSED';
  if (match.status !== 'OPEN') return 'NOT_OPEN';
  const line = serving.value;
  if (line?.soldOut) return 'SOLD_OUT';
  if (match.queue.paused || line?.state === 'PAUSED') return 'PAUSED';
  return line?.state === 'SLOWED' ? 'SLOWED' : 'OPEN';
});

/** Whether people may join now, by the server's clock. Its change is not announced by a signal. */
export function mayJoin(): boolean {
  const opensAt = settings.value?.opensAt;
  if (!roomOpen.value || roomState.value === 'SOLD_OUT') return false;
  if (opensAt) return Date.parse(opensAt) <= serverNow();
  return roomState.value !== 'NOT_OPEN';
}

/** A lost stream may come back at once, so polling begins a moment later. */
const POLL_FIRST_PAUSE_MS = 2000;
const POLL_FAILED_PAUSE_MS = 10_000;

/** True while the page asks again and again, because it has no event stream. */
export const polling = signal(false);

/** Asks for the state of the waiting room until it is stopped. Use it while there is no event stream. */
export function pollServing(match: string): () => void {
  let stopped = false;
  let timer: number | undefined;
  const pollAfter = (pauseMs: number) => {
    // Jitter, because after a restart of the server all clients would poll in step.
    const pause = pauseMs * (0.75 + Math.random() / 2);
    timer = window.setTimeout(() => void poll(), pause);
  };
  const poll = async () => {
    let pauseMs = POLL_FAILED_PAUSE_MS;
    try {
      const line = await fetchServing(match);
      if (stopped) return;
      serving.value = line;
      polling.value = true;
      pauseMs = line.pollAfterMs;
      if (line.state !== roomState.value) void refreshMatch();
    } catch (error) {
      polling.value = false;
      const { code } = asProblem(error);
      // The waiting room is over, and without a stream only the match says so.
      if (code === 'QUEUE_OFF' || code === 'MATCH_NOT_OPEN') void refreshMatch();
    }
    if (!stopped) pollAfter(pauseMs);
  };
  pollAfter(POLL_FIRST_PAUSE_MS);
  return () => {
    stopped = true;
    window.clearTimeout(timer);
    polling.value = false;
  };
}
