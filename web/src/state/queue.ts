// The waiting room of the match on the page, and our place in it.

import { computed, signal } from '@preact/signals';
import { fetchQueuePlace, joinQueue, leaveQueue, newKey, queueEventsUrl } from '../api/endpoints';
import { asProblem } from '../api/problem';
import { user } from '../api/session';
import type { QueuePlace, ServingFrame } from '../api/types';
import { EventStream } from '../live/event-stream';
import { text } from '../text';
import { askLogIn } from './log-in';
import { openMatch } from './match';
import { tell, tellProblem } from './notices';

const CHECK_EVERY_MS = 5000;

export const place = signal<QueuePlace | null>(null);
export const serving = signal<ServingFrame | null>(null);
export const joining = signal(false);
/** Set when the queue turns out to be off although the match said on. */
const queueOff = signal(false);

export const queueEnabled = computed(
  () => openMatch.value?.match.queue?.enabled === true && !queueOff.value,
);
export const admitted = computed(
  () => !queueEnabled.value || (user.value !== null && place.value?.state === 'ADMITTED'),
);

/** People before us; the shared `serving` number moves faster than our own place is asked for. */
export const ahead = computed<number | null>(() => {
  const mine = place.value;
  if (!mine || mine.number === null) return null;
  const now = Math.max(mine.serving, serving.value?.serving ?? 0);
  return Math.max(0, mine.number - now);
});

let stream: EventStream | null = null;
let checkTimer: number | undefined;

export function watchQueue(match: string): () => void {
  queueOff.value = false;
  stream = new EventStream(queueEventsUrl(match), {
    events: {
      serving: (data) => {
        serving.value = data as ServingFrame;
        if (place.value?.state === 'WAITING' && ahead.value === 0) void checkPlace(match);
      },
    },
    onHealth: () => undefined,
  });
  // Passes end by time, and a turn may come without a frame: ask now and then.
  checkTimer = window.setInterval(() => {
    if (place.value) void checkPlace(match);
  }, CHECK_EVERY_MS);
  return () => {
    stream?.close();
    stream = null;
    window.clearInterval(checkTimer);
    place.value = null;
    serving.value = null;
  };
}

/** Finds the place of a fan who comes back. */
export async function checkPlace(match: string): Promise<void> {
  if (!user.value) return;
  try {
    const before = place.value?.state;
    const now = await fetchQueuePlace(match);
    place.value = now;
    if (now.state === 'ADMITTED' && before === 'WAITING') tell('good', text.value.queue.admitted);
    if (now.state !== 'ADMITTED' && before === 'ADMITTED') tell('info', text.value.queue.ended);
  } catch (error) {
    const { code, status } = asProblem(error);
    if (code === 'QUEUE_OFF') queueOff.value = true;
    else if (status === 404) place.value = null;
  }
}

export async function join(match: string): Promise<void> {
  if (joining.value || !(await askLogIn(text.value.logInFirst))) return;
  joining.value = true;
  try {
    place.value = await joinQueue(match, newKey());
  } catch (error) {
    if (asProblem(error).code === 'QUEUE_OFF') queueOff.value = true;
    else tellProblem(error);
  } finally {
    joining.value = false;
  }
}

export async function leave(match: string): Promise<void> {
  try {
    await leaveQueue(match);
    place.value = null;
  } catch (error) {
    tellProblem(error);
  }
}

/** A hold was refused for want of a pass: what we believed of our place is out of date. */
export function enterQueueAgain(): void {
  place.value = null;
  const match = openMatch.value?.match;
  if (match) void checkPlace(match.id);
}
