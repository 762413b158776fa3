// The user's place in the waiting room of the match on the page.

import { computed, effect, signal, untracked } from '@preact/signals';
import { fetchQueuePlace, joinQueue, leaveQueue, newKey } from '../api/endpoints';
import { asProblem } from '../api/problem';
import { onOtherUser, user } from '../api/session';
import type { QueuePlace, ServingFrame } from '../api/types';
import { onWake, secondsUntil, serverNow } from '../live/clock';
import { sentenceFor, text } from '../text';
import { solutionFor } from './challenge';
import { askLogIn } from './log-in';
import { doubt, health, isAt, openMatch, refreshMatch, serving, whileWaiting } from './match';
import { tell } from './notices';
import { polling, pollServing, roomOpen, settings } from './room';
import { nearTurnDelayMs, spreadMs, checkPauseMs } from './spread';
import { endPlace, recallPlace, rememberPlace, type OldPlace } from './ticket';
import { soundTurn } from './turn-sound';

export const place = signal<QueuePlace | null>(null);
export const joining = signal(false);
/** The server has asked not to join again before this moment of its clock, in ms. */
export const joinAfter = signal(0);

/** Why the user has no place any more. */
export type Ending = 'STARTED_AGAIN' | 'PASS_OVER' | 'PASS_GONE' | 'LEFT' | 'LOST';
export const ending = signal<Ending | null>(null);

export const admitted = computed(
  () => !roomOpen.value || (user.value !== null && place.value?.state === 'ADMITTED'),
);

/**
 * People ahead of the user; null before the draw. `serving` is sent to everybody, but the user's
 * place only on request.
 */
export const ahead = computed<number | null>(() => {
  const mine = place.value;
  if (!mine || mine.number === null || mine.ahead === null) return null;
  const now = Math.max(mine.serving, serving.value?.serving ?? 0);
  // People ahead may have left. The server's count shows that, the numbers do not.
  return Math.max(0, Math.min(mine.ahead, mine.number - 1 - now));
});

whileWaiting(() => place.peek()?.state === 'WAITING');

/** What the place was when the user lost it, until the page knows why. */
let lost: OldPlace | null = null;

/** Other tabs of this browser, in which the same user may wait. */
const tabs = 'BroadcastChannel' in window ? new BroadcastChannel('grandstand.place') : null;

/** Keeps the user's place up to date while there is a waiting room. */
export function watchPlace(match: string): () => void {
  const asker = new Asker(match);
  // `peek`, so that a change of the place does not run this again: each frame asks at most once.
  let before: ServingFrame | null = null;
  const stops = [
    serving.subscribe((line) => {
      untracked(() => line && follow(asker, line, before));
      before = line ?? before;
    }),
    effect(() => {
      void place.value;
      untracked(() => asker.askLater());
    }),
    effect(() => {
      if (health.value === 'lost') return pollServing(match);
    }),
    watchHealth(asker),
    onWake(() => void checkPlace(match)),
    onOtherUser(forgetPlace),
  ];
  const hear = (message: MessageEvent) => {
    if (message.data === match) void checkPlace(match);
  };
  tabs?.addEventListener('message', hear);
  return () => {
    for (const stop of stops) stop();
    tabs?.removeEventListener('message', hear);
    asker.stop();
    forgetPlace();
  };
}

function forgetPlace(): void {
  place.value = null;
  ending.value = null;
  joinAfter.value = 0;
  lost = null;
}

/** After a cut the page may have missed everything. */
function watchHealth(asker: Asker): () => void {
  let wasLost = false;
  return health.subscribe((now) => {
    if (now === 'lost') wasLost = true;
    if (now !== 'live' || !wasLost) return;
    wasLost = false;
    untracked(() => asker.askWithin(Math.random() * spread(serving.value?.waiting ?? 0)));
  });
}

/** The longest delay of a question, so that nobody loses an admission by waiting with it. */
const spread = (people: number) => spreadMs(people, (settings.value?.admissionTtlMs ?? 120_000) / 2);

/** Compares the user's place with a frame that is sent to everybody. */
function follow(asker: Asker, line: ServingFrame, before: ServingFrame | null): void {
  const mine = place.peek();
  if (lost && line.epoch > lost.epoch) ending.value = 'STARTED_AGAIN';
  if (!mine) return;
  if (line.epoch > mine.epoch) {
    // The place is gone, unless the page joined through a node that did not know the new epoch yet.
    asker.askWithin(Math.random() * spread(before?.waiting ?? line.waiting));
  } else if (mine.state === 'WAITING' && mine.number === null) {
    if (line.drawn !== null) asker.askWithin(Math.random() * spread(line.waiting));
  } else if (mine.state === 'WAITING' && mine.number !== null && line.serving >= mine.number) {
    const from = Math.max(mine.serving, before?.serving ?? 0);
    const people = line.serving - from;
    asker.askWithin(nearTurnDelayMs(mine.number - from, people, spread(people)));
  }
}

/** Asks for the user's place: after a while in any case, and sooner if there is a reason. */
class Asker {
  private later: number | undefined;
  private soon: number | undefined;

  constructor(private readonly match: string) {}

  askLater(): void {
    window.clearTimeout(this.later);
    const mine = place.value;
    if (!mine) return;
    const far = ahead.value ?? serving.value?.waiting ?? 0;
    let pauseMs = checkPauseMs(mine, far, polling.value);
    if (mine.passExpiresAt) {
      pauseMs = Math.min(pauseMs, (secondsUntil(mine.passExpiresAt) + 1) * 1000);
    }
    this.later = window.setTimeout(() => void this.ask(), pauseMs);
  }

  /** One question is enough, however many reasons there are. */
  askWithin(delayMs: number): void {
    if (this.soon !== undefined) return;
    // Without a timer, because browsers delay the timers of hidden tabs by up to a minute.
    if (delayMs === 0) void this.ask();
    else this.soon = window.setTimeout(() => void this.ask(), delayMs);
  }

  stop(): void {
    window.clearTimeout(this.later);
    window.clearTimeout(this.soon);
    this.soon = undefined;
  }

  private async ask(): Promise<void> {
    window.clearTimeout(this.soon);
    this.soon = undefined;
    await checkPlace(this.match);
    this.askLater();
  }
}

/** Reads the user's place, for example after they return to the page. */
export async function checkPlace(match: string): Promise<void> {
  const who = user.value?.id;
  if (!who) return;
  const before = place.value;
  // A response that is older than an action of the user must not replace the result of that action.
  const isLate = () => place.value !== before || !isAt(match) || user.value?.id !== who;
  try {
    const now = await fetchQueuePlace(match);
    if (!isLate()) take(match, now);
  } catch (error) {
    const { code } = asProblem(error);
    if (code === 'QUEUE_OFF' || code === 'MATCH_NOT_OPEN') doubt(error);
    else if (code === 'NOT_IN_QUEUE' && !isLate()) missed(match);
  }
}

function take(match: string, now: QueuePlace): void {
  const before = place.value;
  if (user.value) rememberPlace(match, user.value.id, now);
  if (!isAt(match)) return;
  lost = null;
  ending.value = null;
  place.value = now;
  if (before?.state !== 'WAITING' || now.state !== 'ADMITTED') return;
  tabs?.postMessage(match);
  tell('good', text.value.queue.admitted);
  soundTurn();
}

/** The server does not know the user, who may have had a place. */
function missed(match: string): void {
  const past = user.value && recallPlace(match, user.value.id);
  if (!past || past.over) {
    place.value = null;
    return;
  }
  const line = serving.value;
  if (line && line.epoch > past.epoch) lose(match, 'STARTED_AGAIN');
  else if (!past.passExpiresAt) lose(match, 'LOST');
  else lose(match, secondsUntil(past.passExpiresAt) <= 1 ? 'PASS_OVER' : 'PASS_GONE');
}

function lose(match: string, why: Ending): void {
  const past = user.value && recallPlace(match, user.value.id);
  if (user.value) endPlace(match, user.value.id);
  tabs?.postMessage(match);
  if (!isAt(match)) return;
  lost = past;
  if (place.value?.state === 'ADMITTED') tell('info', text.value.queue.endings[why]);
  place.value = null;
  ending.value = why;
}

export async function join(match: string): Promise<void> {
  if (joining.value || !(await askLogIn(text.value.queue.logIn)) || !isAt(match)) return;
  joining.value = true;
  try {
    take(match, await joinWithChallenge(match));
    tabs?.postMessage(match);
  } catch (error) {
    if (!isAt(match)) return;
    const { retryAfterSeconds } = asProblem(error);
    if (retryAfterSeconds) joinAfter.value = serverNow() + retryAfterSeconds * 1000;
    tell('bad', sentenceFor(error, 'queue'));
    doubt(error);
  } finally {
    joining.value = false;
  }
}

/** Joins. If the waiting room asks for a challenge, the page solves it first. */
async function joinWithChallenge(match: string): Promise<QueuePlace> {
  try {
    return await joinQueue(match, newKey());
  } catch (error) {
    const solution = await solutionFor(error);
    if (!solution) throw error;
    return joinQueue(match, newKey(), solution);
  }
}

export async function leave(match: string): Promise<void> {
  try {
    await leaveQueue(match);
  } catch (error) {
    // 404: the user is not in the line any more, as requested.
    if (asProblem(error).status !== 404) {
      tell('bad', sentenceFor(error, 'queue'));
      return;
    }
  }
  lose(match, 'LEFT');
  lost = null;
}

/** A hold was refused because the user has no pass, so the known place is out of date. */
export function enterQueueAgain(): void {
  place.value = null;
  const match = openMatch.value?.match;
  if (match?.queue.enabled) void checkPlace(match.id);
  else void refreshMatch();
}
