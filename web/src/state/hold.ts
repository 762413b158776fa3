// Asking for seats, and the hold that comes of it. The server knows what is held: a page that is
// loaded again, or another device, asks it.

import { effect, signal } from '@preact/signals';
import {
  createHold,
  createReservation,
  fetchHolds,
  newKey,
  releaseHold,
  type HoldRequest,
} from '../api/endpoints';
import { asProblem } from '../api/problem';
import { user } from '../api/session';
import type { Alternative, Hold, SeatLine } from '../api/types';
import { clockKnown, secondsUntil, secondTick } from '../live/clock';
import { text } from '../text';
import { AVAILABLE, HOLD } from '../venue/seat-states';
import { chosen, loseSeats } from './choice';
import { askLogIn } from './log-in';
import { doubt, openMatch } from './match';
import { tell, tellProblem } from './notices';
import { enterQueueAgain } from './queue';
import { go } from './route';

/** What we hold in the match on the page. Two devices may have made two holds: here they are one. */
export interface HeldSeats {
  holdIds: string[];
  seats: SeatLine[];
  amount: number;
  /** When the first of them ends. */
  expiresAt: string;
}

export const hold = signal<HeldSeats | null>(null);
export const alternatives = signal<Alternative[]>([]);
/** The seats of a request on its way: shown as ours until the server says no. */
export const asking = signal<readonly number[]>([]);
export const busy = signal(false);

effect(() => {
  void secondTick.value;
  if (!clockKnown.value || !hold.value || busy.value) return;
  if (secondsUntil(hold.value.expiresAt) > 0) return;
  hold.value = null;
  tell('bad', text.value.hold.expired);
});

function together(holds: Hold[]): HeldSeats | null {
  if (holds.length === 0) return null;
  return {
    holdIds: holds.map((one) => one.holdId),
    seats: holds.flatMap((one) => one.seats),
    amount: holds.reduce((sum, one) => sum + one.amount, 0),
    expiresAt: holds.map((one) => one.expiresAt).reduce((a, b) => (Date.parse(a) < Date.parse(b) ? a : b)),
  };
}

/** Asks the server what we hold. */
export async function findHolds(): Promise<void> {
  const match = openMatch.value?.match.id;
  if (!match || busy.value) return;
  if (!user.value) {
    hold.value = null;
    return;
  }
  const before = hold.value;
  try {
    const { holds } = await fetchHolds(match);
    // Overtaken by something that we did meanwhile.
    if (busy.value || hold.value !== before || openMatch.value?.match.id !== match) return;
    hold.value = together(holds);
    if (before && !hold.value) tell('info', text.value.hold.elsewhere);
  } catch {
    // What we knew stays: the countdown and the map go on to watch over it.
  }
}

export async function askForSeats(request: HoldRequest): Promise<void> {
  const open = openMatch.value;
  if (!open || busy.value || !(await askLogIn(text.value.logInFirst))) return;
  busy.value = true;
  const seatIds = 'seatIds' in request ? request.seatIds : [];
  asking.value = seatIds.flatMap((id) => open.table.indexOf(id) ?? []);
  try {
    const held = await createHold(open.match.id, request, newKey());
    hold.value = together([held]);
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
  doubt(problem);
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
  if (!open || !held || busy.value) return;
  const mine = new Set(held.seats.map((line) => open.table.indexOf(line.seatId)));
  const moved = changed.filter((seat) => mine.has(seat)).map((seat) => open.states.codes[seat]);
  // Seen taken and now free again: the server has ended the hold, whatever the clock says.
  if (moved.includes(AVAILABLE)) {
    hold.value = null;
    const atTheEnd = secondsUntil(held.expiresAt) <= 1;
    tell('bad', atTheEnd ? text.value.hold.expired : text.value.hold.lost);
  } else if (moved.some((code) => code !== HOLD)) {
    void findHolds();
  }
}

export async function giveBack(): Promise<void> {
  const match = openMatch.value?.match.id;
  const held = hold.value;
  if (!match || !held || busy.value) return;
  busy.value = true;
  try {
    await Promise.all(held.holdIds.map((id) => releaseHold(match, id)));
    tell('info', text.value.hold.returned);
    hold.value = null;
  } catch (error) {
    if (isOver(error)) hold.value = null;
    tellProblem(error);
  } finally {
    busy.value = false;
  }
}

export async function reserve(): Promise<void> {
  const match = openMatch.value?.match.id;
  const held = hold.value;
  if (!match || !held || busy.value) return;
  busy.value = true;
  try {
    const seats = held.seats.map((line) => line.seatId);
    const reservation = await createReservation(match, seats, held.holdIds.join());
    hold.value = null;
    go(`#/reservations/${reservation.id}`);
  } catch (error) {
    if (isOver(error)) hold.value = null;
    tellProblem(error);
  } finally {
    busy.value = false;
  }
}

/** Gone, reserved or no longer ours: there is nothing left that is held. */
function isOver(error: unknown): boolean {
  return [403, 404, 409].includes(asProblem(error).status);
}
