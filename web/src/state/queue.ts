// The waiting room of the match on the page, and our place in it.

import { computed, signal } from '@preact/signals';
import {
  fetchMatch,
  fetchQueuePlace,
  joinQueue,
  leaveQueue,
  newKey,
  queueEventsUrl,
} from '../api/endpoints';
import { asProblem } from '../api/problem';
import { user } from '../api/session';
import type { QueuePlace, QueueSettings, ServingFrame, WaitEstimate } from '../api/types';
import { secondsUntil } from '../live/clock';
import { EventStream } from '../live/event-stream';
import { text } from '../text';
import { askLogIn } from './log-in';
import { openMatch } from './match';
import { tell, tellProblem } from './notices';

export const place = signal<QueuePlace | null>(null);
export const serving = signal<ServingFrame | null>(null);
export const joining = signal(false);
/** What the organiser has set since the page was opened. */
const changed = signal<{ match: string; queue: QueueSettings | null } | null>(null);

/** How the organiser runs the waiting room. */
export const settings = computed<QueueSettings | null>(() => {
  const match = openMatch.value?.match;
  if (match && changed.value?.match === match.id) return changed.value.queue;
  return match?.queue ?? null;
});
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
  if (!line?.eta || line.waiting === 0) return place.value?.eta ?? null;
  const share = Math.min(1, ahead.value / line.waiting);
  return { p50Seconds: line.eta.p50Seconds * share, p90Seconds: line.eta.p90Seconds * share };
});

let checkTimer: number | undefined;

/** Reads anew how the waiting room is run: opened, paused, closed. */
export async function refreshSettings(match: string): Promise<void> {
  const { queue = null } = await fetchMatch(match);
  if (JSON.stringify(queue) !== JSON.stringify(settings.peek())) changed.value = { match, queue };
}

export function watchQueue(match: string): () => void {
  const stream = new EventStream(queueEventsUrl(match), {
    events: {
      serving: (data) => {
        serving.value = data as ServingFrame;
        const mine = place.value;
        const reached = mine?.number != null && serving.value.serving >= mine.number;
        if (mine?.state === 'WAITING' && reached) void checkPlace(match);
      },
    },
    onHealth: () => undefined,
  });
  const checkLater = () => {
    checkTimer = window.setTimeout(() => {
      if (place.value) void checkPlace(match);
      refreshSettings(match).catch(() => undefined);
      checkLater();
    }, checkDelayMs());
  };
  checkLater();
  return () => {
    stream.close();
    window.clearTimeout(checkTimer);
    place.value = null;
    serving.value = null;
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
  const before = place.value?.state;
  try {
    place.value = await fetchQueuePlace(match);
    if (before === 'WAITING' && place.value.state === 'ADMITTED') {
      tell('good', text.value.queue.admitted);
    }
  } catch (error) {
    const { code, status } = asProblem(error);
    if (code === 'QUEUE_OFF') refreshSettings(match).catch(() => undefined);
    else if (status === 404) {
      place.value = null;
      if (before === 'ADMITTED') tell('info', text.value.queue.ended);
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
    if (asProblem(error).code === 'QUEUE_OFF') refreshSettings(match).catch(() => undefined);
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
  if (!match) return;
  refreshSettings(match.id).catch(() => undefined);
  void checkPlace(match.id);
}
