// The waiting room of the match on the page, and the user's place in it.

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

/** People ahead of the user. `serving` is sent to everybody, but the user's place only on request. */
export const ahead = computed<number>(() => {
  const mine = place.value;
  if (!mine || mine.number === null) return 0;
  const now = Math.max(mine.serving, serving.value?.serving ?? 0);
  // People ahead may have left. The server's count shows that, the numbers do not.
  return Math.max(0, Math.min(mine.ahead, mine.number - 1 - now));
});

/** The user's share of the estimate for all who wait, because both have the same pace. */
export const estimate = computed<WaitEstimate | null>(() => {
  const line = serving.value;
  if (!line || (line.eta && line.waiting === 0)) return place.value?.eta ?? null;
  // The pace is unknown, or nobody is admitted any more, so an earlier estimate is worthless.
  if (!line.eta) return null;
  const share = Math.min(1, ahead.value / line.waiting);
  return { p50Seconds: line.eta.p50Seconds * share, p90Seconds: line.eta.p90Seconds * share };
});

let checkTimer: number | undefined;

/** Keeps the user's place up to date while there is a waiting room. */
export function watchPlace(match: string): () => void {
  // `peek`, so that a change of the place does not run this again: each event asks at most once.
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

/** People far back ask less frequently, because a million people may wait here. */
function checkDelayMs(): number {
  const base = place.value?.state === 'ADMITTED' || ahead.value > 100 ? 30_000 : 5000;
  const delay = base * (0.75 + Math.random() / 2);
  const passEnds = place.value?.passExpiresAt;
  return passEnds ? Math.min(delay, (secondsUntil(passEnds) + 1) * 1000) : delay;
}

/** Reads the user's place, for example after they return to the page. */
export async function checkPlace(match: string): Promise<void> {
  if (!user.value) return;
  const before = place.value;
  // A response that is older than an action of the user must not replace the result of that action.
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
    // 404: the user is not in the line any more, as requested.
    if (asProblem(error).status !== 404) {
      tellProblem(error);
      return;
    }
  }
  place.value = null;
}

/** A hold was refused because the user has no pass, so the known place is out of date. */
export function enterQueueAgain(): void {
  place.value = null;
  const match = openMatch.value?.match;
  if (match?.queue.enabled) void checkPlace(match.id);
  else void refreshMatch();
}
