// Holding, releasing and reserving seats. The response to a call does not show what other tabs and
// devices did. So the page reads the fan's holds and reservations before it reports a result.

import { computed, effect, signal } from '@preact/signals';
import {
  createHold,
  createReservation,
  newKey,
  releaseHold,
  type HoldRequest,
} from '../api/endpoints';
import { asProblem, isUnknown } from '../api/problem';
import { onOtherUser, user } from '../api/session';
import type { Alternative, Reservation } from '../api/types';
import { text } from '../text';
import { HOLD } from '../venue/seat-states';
import type { SeatTable } from '../venue/seat-table';
import {
  areasOfChoice,
  chosenAreas,
  clearChoice,
  holdOf,
  loseSeats,
  placesOf,
  setPlaces,
} from './choice';
import { askLogIn } from './log-in';
import { doubt, isAt, openMatch, type OpenMatch } from './match';
import { tell, tellProblem } from './notices';
import { addHold, busy, findOwn, forgetOwn, hold, openReservations, ownSeats, readOwn } from './own';
import { prices } from './prices';
import { enterQueueAgain } from './queue';
import { go } from './route';

/** Until when the fan may hold no seats of a match, because too many of their holds ended unpaid. */
export const coolDown = signal<{ match: string; until: string } | null>(null);
onOtherUser(() => {
  coolDown.value = null;
});

export const alternatives = signal<Alternative[]>([]);
/** The kinds of buyers for whom the refused seats were, in the order of these seats. */
let refusedTypes: (string | null)[] = [];
const listVersion = computed(() => prices.value?.version);

/** A new list of prices ends the alternatives, because their amounts are of the earlier list. */
effect(() => {
  void listVersion.value;
  alternatives.value = [];
});

/** The seats of a hold in flight. They are shown as the fan's until the server refuses. */
export const asking = signal<readonly number[]>([]);

/** Called before another match is shown. */
export function forgetAsked(): void {
  asking.value = [];
  alternatives.value = [];
}

export async function askForSeats(request: HoldRequest): Promise<void> {
  const match = openMatch.value?.match.id;
  if (!match || busy.value || !(await askLogIn(text.value.logInFirst)) || !isAt(match)) return;
  busy.value = true;
  const seatIds = seatIdsOf(request);
  asking.value = seatIds.flatMap((id) => openMatch.value?.table.indexOf(id) ?? []);
  const before = ownSeats.value.size;
  const gotThem = () =>
    seatIds.length > 0
      ? seatIds.every((id) => ownSeats.value.has(id))
      : ownSeats.value.size > before;
  try {
    const held = await createHold(match, request, newKey());
    // Another device may hold seats too.
    const known = await readOwn();
    if (!known && isAt(match)) addHold(held);
    got(match, held.seats.length);
  } catch (error) {
    await refused({ match, request }, error, gotThem);
  } finally {
    asking.value = [];
    busy.value = false;
    void dropTakenSeats();
  }
}

function seatIdsOf(request: HoldRequest): number[] {
  if ('seatIds' in request) return request.seatIds;
  return 'seats' in request ? request.seats.map(({ seatId }) => seatId) : [];
}

/** The kinds of buyers for whom the seats of a request are. */
function typesOf(request: HoldRequest): (string | null)[] {
  return 'seats' in request ? request.seats.map(({ type }) => type ?? null) : [];
}

function got(match: string, seats: number): void {
  if (isAt(match)) {
    clearChoice();
    alternatives.value = [];
  }
  tell('good', text.value.hold.done(seats));
}

/**
 * Asks for seats that the server has offered in the place of all seats of a refused request, for the
 * same kinds of buyers, and for the places of areas that are still chosen.
 */
export async function takeOffer(table: SeatTable, offer: Alternative): Promise<void> {
  const typeOf = (index: number) => refusedTypes[index] ?? null;
  const seats = offer.seatIds.map((seatId, index) => ({ seatId, type: typeOf(index) }));
  await askForSeats(holdOf(seats, areasOfChoice(table)));
}

async function refused(
  { match, request }: { match: string; request: HoldRequest },
  error: unknown,
  gotThem: () => boolean,
): Promise<void> {
  const problem = asProblem(error);
  const known = await readOwn();
  if (!isAt(match)) return;
  // The response was lost, but the seats were held.
  if (known && isUnknown(problem) && gotThem()) return got(match, hold.value?.seats.length ?? 0);
  const table = openMatch.value?.table;
  const own = loseOwn();
  doubt(problem);
  if (problem.code === 'SEAT_TAKEN' && table) {
    const lost = new Set(problem.members.lost?.flatMap((id) => table.indexOf(id) ?? []));
    refusedTypes = typesOf(request);
    loseSeats((seat) => lost.has(seat));
    alternatives.value = problem.members.alternatives ?? [];
    tell('bad', text.value.choose.taken(lost.size));
    return;
  }
  if (problem.code === 'PASS_REQUIRED') enterQueueAgain();
  if (problem.code === 'COOL_DOWN' && problem.members.until && openMatch.value) {
    coolDown.value = { match: openMatch.value.match.id, until: problem.members.until };
  }
  if (problem.code === 'ALREADY_HELD' || problem.code === 'ALREADY_RESERVED') {
    tell('info', text.value.hold.already(Math.max(own, problem.members.seatIds?.length ?? 0)));
  } else {
    tellProblem(problem);
  }
}

/** Removes seats from the choice that the fan got on another device. */
function loseOwn(): number {
  const table = openMatch.value?.table;
  return loseSeats((seat) => table !== undefined && ownSeats.value.has(table.ids[seat])).length;
}

/** Removes seats and places from the choice that are no longer free on the live map. */
async function dropTakenSeats(): Promise<void> {
  const open = openMatch.value;
  if (!open || busy.value) return;
  const full = fitAreas(open);
  const seats = loseSeats((seat) => !open.states.isFree(seat));
  const lost = [...full.values()].reduce((sum, places) => sum + places, seats.length);
  if (lost === 0) return;
  const before = ownSeats.value;
  if (user.value) await findOwn();
  if (!isAt(open.match.id)) return;
  const mine = [...ownSeats.value].flatMap((id) => open.table.indexOf(id) ?? []);
  const isNew = (seat: number) => !before.has(open.table.ids[seat]);
  let own = seats.filter((seat) => mine.includes(seat)).length;
  for (const [block, places] of full) {
    const here = mine.filter((seat) => open.table.blockOf(seat) === block && isNew(seat));
    own += Math.min(places, here.length);
  }
  if (own > 0) tell('info', text.value.hold.already(own));
  if (own < lost) tell('bad', text.value.choose.gone(lost - own));
}

/** Wants no more places of an area than are left. Returns how many are lost in each block. */
function fitAreas({ states }: OpenMatch): Map<number, number> {
  const lost = new Map<number, number>();
  for (const { block, type, quantity } of chosenAreas.value) {
    const over = Math.min(quantity, placesOf(block) - states.freeInBlock[block]);
    if (over <= 0) continue;
    setPlaces(block, type, quantity - over);
    lost.set(block, (lost.get(block) ?? 0) + over);
  }
  return lost;
}

/** Compares choice and holds with the seats that have just changed on the live map. */
export function followMap(changed: readonly number[]): void {
  void dropTakenSeats();
  const open = openMatch.value;
  if (!open || !hold.value || busy.value) return;
  const held = new Set(hold.value.seats.map((line) => open.table.indexOf(line.seatId)));
  if (changed.some((seat) => held.has(seat) && open.states.codes[seat] !== HOLD)) void findOwn();
}

export async function giveBack(): Promise<void> {
  const match = openMatch.value?.match.id;
  const held = hold.value;
  if (!match || !held || busy.value) return;
  busy.value = true;
  const given = await Promise.allSettled(held.holdIds.map((id) => releaseHold(match, id)));
  const failed = given.find((release) => release.status === 'rejected');
  const known = await readOwn();
  if (!failed && !known) forgetOwn();
  if (failed && (hold.value || !known)) tellProblem(failed.reason);
  else tell('info', text.value.hold.returned);
  busy.value = false;
}

export async function reserve(): Promise<void> {
  const match = openMatch.value?.match.id;
  const held = hold.value;
  if (!match || !held || busy.value) return;
  busy.value = true;
  const seats = held.seats.map((line) => line.seatId);
  try {
    goToReservation(await createReservation(match, seats, newKey()));
  } catch (error) {
    await readOwn();
    if (!isAt(match)) return;
    // The response was lost, or another tab or device reserved the seats for this user.
    const made = openReservations.value.find((reservation) =>
      reservation.seats.some((line) => seats.includes(line.seatId)),
    );
    if (made) goToReservation(made);
    else if (asProblem(error).code === 'MATCH_NOT_OPEN') tell('bad', text.value.hold.ended);
    else tellProblem(error);
  } finally {
    busy.value = false;
  }
}

function goToReservation(reservation: Reservation): void {
  forgetOwn();
  go(`#/reservations/${reservation.id}`);
}
