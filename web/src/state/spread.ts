// When pages ask for places: not all in the same second, because a million people may wait.

import type { QueuePlace } from '../api/types';

/** The server should get at most so many questions a second when many people have a reason to ask. */
const ASKS_PER_SECOND_MAX = 10_000;
const SPREAD_MIN_MS = 2000;
const SPREAD_MAX_MS = 60_000;
/** So few people may ask at once. */
const FEW_PEOPLE = 50;

const CHECK_PAUSE_MIN_MS = 5000;
const CHECK_PAUSE_MAX_MS = 300_000;
const ADMITTED_CHECK_PAUSE_MS = 30_000;
/** Each person ahead adds so much to the pause, because nothing urgent happens far back. */
const CHECK_PAUSE_PER_PERSON_MS = 50;

/** The time over which `people` distribute their questions, in ms. */
export function spreadMs(people: number, maxMs: number): number {
  const needed = Math.max(SPREAD_MIN_MS, (people / ASKS_PER_SECOND_MAX) * 1000);
  return Math.min(needed, maxMs, SPREAD_MAX_MS);
}

/** The delay of person `index` (from 1) of the `people` who were admitted together: the first ask first. */
export function nearTurnDelayMs(index: number, people: number, withinMs: number): number {
  if (people <= FEW_PEOPLE) return 0;
  return (Math.max(0, index - Math.random()) / people) * withinMs;
}

/** The pause until a page asks for its place without a special reason, in ms. */
export function checkPauseMs(mine: QueuePlace, ahead: number, polling: boolean): number {
  const far = Math.min(CHECK_PAUSE_MAX_MS, Math.max(CHECK_PAUSE_MIN_MS, ahead * CHECK_PAUSE_PER_PERSON_MS));
  let pauseMs = mine.state === 'ADMITTED' ? ADMITTED_CHECK_PAUSE_MS : far;
  if (polling) pauseMs = mine.pollAfterMs;
  return pauseMs * (0.75 + Math.random() / 2);
}
