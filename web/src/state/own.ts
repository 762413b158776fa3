// What is ours in the match on the page: holds, and reservations that wait for payment. The server
// knows it: another tab or another device may hold, reserve and give back too.

import { computed, effect, signal } from '@preact/signals';
import { fetchHolds, fetchReservations } from '../api/endpoints';
import { user } from '../api/session';
import type { Hold, Reservation, SeatLine } from '../api/types';
import { clockKnown, secondsUntil, secondTick } from '../live/clock';
import { text } from '../text';
import { openMatch } from './match';
import { tell } from './notices';

/** All that we hold in the match, as one. */
export interface HeldSeats {
  holdIds: string[];
  seats: SeatLine[];
  amount: number;
  /** When the first of the holds ends. */
  expiresAt: string;
}

const holds = signal<Hold[]>([]);
export const hold = computed(() => together(holds.value));
/** Reservations in the match that are to be paid, or being paid. */
export const openReservations = signal<Reservation[]>([]);
/** Ids of the seats of both. */
export const ownSeats = computed(
  () =>
    new Set([...holds.value, ...openReservations.value].flatMap((one) => one.seats.map((line) => line.seatId))),
);
/** Something that we do is on its way: what the server says meanwhile may be older. */
export const busy = signal(false);

effect(() => {
  void secondTick.value;
  if (!clockKnown.value || busy.value) return;
  const inTime = holds.value.filter((one) => secondsUntil(one.expiresAt) > 0);
  if (inTime.length === holds.value.length) return;
  holds.value = inTime;
  tell('bad', text.value.hold.expired);
});

function together(list: Hold[]): HeldSeats | null {
  if (list.length === 0) return null;
  return {
    holdIds: list.map((one) => one.holdId),
    seats: list.flatMap((one) => one.seats),
    amount: list.reduce((sum, one) => sum + one.amount, 0),
    expiresAt: list.map((one) => one.expiresAt).reduce((a, b) => (Date.parse(a) < Date.parse(b) ? a : b)),
  };
}

/** For another match, or another person. */
export function forgetOwn(): void {
  holds.value = [];
  openReservations.value = [];
}

/** A hold that the server has just given; `readOwn` would have it too. */
export function addHold(held: Hold): void {
  holds.value = [...holds.value.filter((one) => one.holdId !== held.holdId), held];
}

/** Reads it from the server; false when that does not say all of it, and what we knew stays. */
export async function readOwn(overtaken = () => false): Promise<boolean> {
  const match = openMatch.value?.match.id;
  if (!match || !user.value) return false;
  const [held, reserved] = await Promise.allSettled([fetchHolds(match), fetchReservations()]);
  if (openMatch.value?.match.id !== match || overtaken()) return false;
  if (reserved.status === 'fulfilled') {
    const isOpen = (one: Reservation) => one.status === 'PENDING' || one.status === 'PAYING';
    const here = reserved.value.reservations.filter((one) => one.matchId === match);
    openReservations.value = here.filter(isOpen);
  }
  if (held.status === 'fulfilled') holds.value = held.value.holds;
  return held.status === 'fulfilled' && reserved.status === 'fulfilled';
}

/** Looks what is ours now, and tells what is not ours any more. */
export async function findOwn(): Promise<void> {
  if (busy.value) return;
  if (!user.value) return forgetOwn();
  const before = holds.value;
  await readOwn(() => busy.value || holds.value !== before);
  tellLost(before);
}

/** The same while there is something to watch over. */
export function watchOwn(): void {
  if (hold.value || openReservations.value.length > 0) void findOwn();
}

function tellLost(before: Hold[]): void {
  const lost = before.filter((one) => one.seats.some((line) => !ownSeats.value.has(line.seatId)));
  const moved = before.length > 0 && holds.value.length === 0;
  const t = text.value.hold;
  if (lost.some((one) => secondsUntil(one.expiresAt) <= 1)) tell('bad', t.expired);
  else if (lost.length > 0) tell('info', t.lost);
  else if (moved) tell('info', t.reserved);
}
