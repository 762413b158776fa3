// Asking for seats, and the hold that comes of it.

import { effect, signal } from '@preact/signals';
import {
  createHold,
  createReservation,
  newKey,
  releaseHold,
  type HoldRequest,
} from '../api/endpoints';
import { asProblem } from '../api/problem';
import { sessionKnown, user } from '../api/session';
import type { Alternative, Hold } from '../api/types';
import { clockKnown, secondsUntil, secondTick } from '../live/clock';
import { text } from '../text';
import { chosen, loseSeats } from './choice';
import { askLogIn } from './log-in';
import { openMatch } from './match';
import { tell, tellProblem } from './notices';
import { enterQueueAgain } from './queue';
import { go } from './route';

export interface HeldSeats extends Hold {
  matchId: string;
}

const STORED = 'grandstand.hold';

export const hold = signal<HeldSeats | null>(storedHold());
export const alternatives = signal<Alternative[]>([]);
/** The seats of a request on its way: shown as ours until the server says no. */
export const asking = signal<readonly number[]>([]);
export const busy = signal(false);

effect(() => {
  if (hold.value) sessionStorage.setItem(STORED, JSON.stringify(hold.value));
  else sessionStorage.removeItem(STORED);
});

effect(() => {
  if (sessionKnown.value && !user.value) hold.value = null;
});

effect(() => {
  void secondTick.value;
  if (!clockKnown.value || !hold.value || busy.value) return;
  if (secondsUntil(hold.value.expiresAt) > 0) return;
  hold.value = null;
  tell('bad', text.value.hold.expired);
});

export async function askForSeats(request: HoldRequest): Promise<void> {
  const open = openMatch.value;
  if (!open || busy.value || !(await askLogIn(text.value.logInFirst))) return;
  busy.value = true;
  const seatIds = 'seatIds' in request ? request.seatIds : [];
  asking.value = seatIds.flatMap((id) => open.table.indexOf(id) ?? []);
  try {
    const held = await createHold(open.match.id, request, newKey());
    hold.value = { ...held, matchId: open.match.id };
    chosen.value = [];
    alternatives.value = [];
    tell('good', text.value.hold.done(held.seats.length));
  } catch (error) {
    refused(error);
  } finally {
    asking.value = [];
    busy.value = false;
    dropTakenSeats();
  }
}

function refused(error: unknown): void {
  const problem = asProblem(error);
  const table = openMatch.value?.table;
  if (problem.code === 'SEAT_TAKEN' && table) {
    const lost = new Set(problem.members.lost?.flatMap((id) => table.indexOf(id) ?? []));
    loseSeats((seat) => lost.has(seat));
    alternatives.value = problem.members.alternatives ?? [];
    tell('bad', text.value.choose.taken(lost.size));
    return;
  }
  if (problem.code === 'PASS_REQUIRED') enterQueueAgain();
  tellProblem(problem);
}

/** Takes seats that others got, by the live map, out of the choice. */
function dropTakenSeats(): void {
  const states = openMatch.value?.states;
  if (!states || busy.value) return;
  const lost = loseSeats((seat) => !states.isFree(seat));
  if (lost > 0) tell('bad', text.value.choose.gone(lost));
}

/** Compares choice and hold with what the live map has just said. */
export function followMap(changed: readonly number[]): void {
  dropTakenSeats();
  const open = openMatch.value;
  const held = hold.value;
  if (!open || !held || held.matchId !== open.match.id || busy.value) return;
  const mine = new Set(held.seats.map((line) => open.table.indexOf(line.seatId)));
  // Seen taken and now free again: the server has ended the hold, whatever the clock says.
  if (changed.some((seat) => mine.has(seat) && open.states.isFree(seat))) {
    hold.value = null;
    tell('bad', text.value.hold.lost);
  }
}

export async function giveBack(): Promise<void> {
  const held = hold.value;
  if (!held || busy.value) return;
  busy.value = true;
  try {
    await releaseHold(held.matchId, held.holdId);
    tell('info', text.value.hold.returned);
    hold.value = null;
  } catch (error) {
    const { status } = asProblem(error);
    // Gone or no longer ours: there is nothing left to give back.
    if (status === 404 || status === 403 || status === 409) hold.value = null;
    tellProblem(error);
  } finally {
    busy.value = false;
  }
}

export async function reserve(): Promise<void> {
  const held = hold.value;
  if (!held || busy.value) return;
  busy.value = true;
  try {
    const reservation = await createReservation(held.matchId, held.holdId, held.holdId);
    hold.value = null;
    go(`#/reservations/${reservation.id}`);
  } catch (error) {
    const { code } = asProblem(error);
    if (code === 'HOLD_EXPIRED' || code === 'NOT_YOURS' || code === 'ALREADY_RESERVED') {
      hold.value = null;
    }
    tellProblem(error);
  } finally {
    busy.value = false;
  }
}

function storedHold(): HeldSeats | null {
  const stored = sessionStorage.getItem(STORED);
  return stored ? JSON.parse(stored) : null;
}
