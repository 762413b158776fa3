// The waiting room of the match on the page, and our place in it.

import { computed, signal, untracked } from '@preact/signals';
import { fetchQueuePlace, joinQueue, leaveQueue, newKey } from '../api/endpoints';
import { asProblem } from '../api/problem';
import { user } from '../api/session';
import type { QueuePlace, QueueSettings, WaitEstimate } from '../api/types';
import { secondsUntil } from '../live/clock';
import { text } from '../text';
import { askLogIn } from './log-in';
import { doubt, openMatch, refreshMatch, serving } from './match';
import { tell, tellProblem } from './notices';

export const place = signal<QueuePlace | null>(null);
export const joining = signal(false);

/** How the organiser runs the waiting room. */
export const settings = computed<QueueSettings | null>(() => openMatch.value?.match.queue ?? null);
export const queueEnabled = computed(
  () => openMatch.value?.match.status === 'OPEN' && settings.value?.enabled === true,
);
export const admitted = computed(
  () => !queueEnabled.value || (user.value !== null && place.value?.state === 'ADMITTED'),
);

/** People before us. `serving` comes to everybody at once; our own place only when we ask. */
export const ahead = computed<number>(() => {
  const mine = place.value;
  if (!mine || mine.number === null) return 0;
  const now = Math.max(mine.serving, serving.value?.serving ?? 0);
  // Some who stood before us may have left: the server counted them, the numbers don't show it.
  return Math.max(0, Math.min(mine.ahead, mine.number - 1 - now));
});

/** Our share of the estimate for the whole line: both stand on the same measured pace. */
export const estimate = computed<WaitEstimate | null>(() => {
  const line = serving.value;
  if (!line || (line.eta && line.waiting === 0)) return place.value?.eta ?? null;
  // Not measured, or nobody is let in any more: what we were told before says nothing.
  if (!line.eta) return null;
  const share = Math.min(1, ahead.value / line.waiting);
  return { p50Seconds: line.eta.p50Seconds * share, p90Seconds: line.eta.p90Seconds * share };
});

let checkTimer: number | undefined;

/** Keeps our place up to date while there is a waiting room. */
export function watchPlace(match: string): () => void {
  // Each frame asks once at the most: our place is looked at, and not followed.
  const stopWatching = serving.subscribe((line) => {
    const mine = place.peek();
    const reached = mine?.number != null && (line?.serving ?? 0) >= mine.number;
    if (mine?.state === 'WAITING' && reached) void untracked(() => checkPlace(match));
  });
  const checkLater = () => {
    checkTimer = window.setTimeout(() => {
      if (place.value) void checkPlace(match);
      checkLater();
    }, checkDelayMs());
  };
  checkLater();
  return () => {
    stopWatching();
    window.clearTimeout(checkTimer);
    place.value = null;
  };
}

/** The farther back we stand the less often we ask: a million people wait here. */
function checkDelayMs(): number {
  const base = place.value?.state === 'ADMITTED' || ahead.value > 100 ? 30_000 : 5000;
  const delay = base * (0.75 + Math.random() / 2);
  const passEnds = place.value?.passExpiresAt;
  return passEnds ? Math.min(delay, (secondsUntil(passEnds) + 1) * 1000) : delay;
}

/** Finds the place of a fan who comes back. */
export async function checkPlace(match: string): Promise<void> {
  if (!user.value) return;
  const before = place.value;
  // Overtaken by something that we did meanwhile: an older answer must not take our place away.
  const isLate = () => place.value !== before;
  try {
    const now = await fetchQueuePlace(match);
    if (isLate()) return;
    place.value = now;
    if (before?.state === 'WAITING' && now.state === 'ADMITTED') {
      tell('good', text.value.queue.admitted);
    }
  } catch (error) {
    const { code, status } = asProblem(error);
    if (code === 'QUEUE_OFF') doubt(error);
    else if (status === 404 && !isLate()) {
      place.value = null;
      if (before?.state === 'ADMITTED') tell('info', text.value.queue.ended);
    }
  }
}

export async function join(match: string): Promise<void> {
  if (joining.value || !(await askLogIn(text.value.logInFirst))) return;
  joining.value = true;
  try {
    place.value = await joinQueue(match, newKey());
  } catch (error) {
    tellProblem(error);
    doubt(error);
  } finally {
    joining.value = false;
  }
}

export async function leave(match: string): Promise<void> {
  try {
    await leaveQueue(match);
  } catch (error) {
    // Not in the line any more: that is what was asked for.
    if (asProblem(error).status !== 404) {
      tellProblem(error);
      return;
    }
  }
  place.value = null;
}

/** A hold was refused for want of a pass: what we believed of our place is out of date. */
export function enterQueueAgain(): void {
  place.value = null;
  const match = openMatch.value?.match;
  if (match?.queue.enabled) void checkPlace(match.id);
  else void refreshMatch();
}
