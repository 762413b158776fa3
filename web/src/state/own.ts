// The fan's own holds and unpaid reservations in the match on the page. Only the server knows them,
// because another tab or device may hold, reserve and release too.

import { computed, effect, signal } from '@preact/signals';
import { fetchHolds, fetchReservations } from '../api/endpoints';
import { onOtherUser, user } from '../api/session';
import type { Hold, Reservation, SeatLine } from '../api/types';
import { clockKnown, secondsUntil, secondTick } from '../live/clock';
import { text } from '../text';
import { isAt, openMatch } from './match';
import { tell } from './notices';

/** All holds of the fan in the match, combined. */
export interface HeldSeats {
  holdIds: string[];
  seats: SeatLine[];
  amount: number;
  /** The part of the amount that is the service fee. */
  serviceFee: number;
  /** When the first of the holds ends. */
  expiresAt: string;
}

const holds = signal<Hold[]>([]);
export const hold = computed(() => together(holds.value));
/** Reservations in the match that wait for payment or are being paid. */
export const openReservations = signal<Reservation[]>([]);
/** Ids of the seats of holds and open reservations. */
export const ownSeats = computed(
  () =>
    new Set([...holds.value, ...openReservations.value].flatMap((own) => own.seats.map((line) => line.seatId))),
);
/** A call of ours is in flight, so other responses may be older than its result. */
export const busy = signal(false);

effect(() => {
  void secondTick.value;
  if (!clockKnown.value || busy.value) return;
  const inTime = holds.value.filter((held) => secondsUntil(held.expiresAt) > 0);
  if (inTime.length === holds.value.length) return;
  holds.value = inTime;
  tell('bad', saleEnded() ? text.value.hold.ended : text.value.hold.expired);
});

/** Holds end with the sale. */
function saleEnded(): boolean {
  const match = openMatch.value?.match;
  return match !== undefined && (match.status === 'CLOSED' || secondsUntil(match.saleClosesAt) <= 0);
}

function together(list: Hold[]): HeldSeats | null {
  if (list.length === 0) return null;
  return {
    holdIds: list.map((held) => held.holdId),
    seats: list.flatMap((held) => held.seats),
    amount: list.reduce((sum, held) => sum + held.amount, 0),
    serviceFee: list.reduce((sum, held) => sum + (held.serviceFee ?? 0), 0),
    expiresAt: list.map((held) => held.expiresAt).reduce((a, b) => (Date.parse(a) < Date.parse(b) ? a : b)),
  };
}

/** Called before another match or another user is shown. */
export function forgetOwn(): void {
  holds.value = [];
  openReservations.value = [];
}

onOtherUser(forgetOwn);

/** Adds a hold that the server has just granted, in case `readOwn` fails. */
export function addHold(held: Hold): void {
  holds.value = [...holds.value.filter((other) => other.holdId !== held.holdId), held];
}

/** Reads holds and reservations from the server. Returns false if a part is missing; that part stays as it was. */
export async function readOwn(overtaken = () => false): Promise<boolean> {
  const match = openMatch.value?.match.id;
  const who = user.value?.id;
  if (!match || !who) return false;
  const [held, reserved] = await Promise.allSettled([fetchHolds(match), fetchReservations()]);
  if (!isAt(match) || user.value?.id !== who || overtaken()) return false;
  if (reserved.status === 'fulfilled') {
    const isOpen = ({ status }: Reservation) => status === 'PENDING' || status === 'PAYING';
    const here = reserved.value.reservations.filter((reservation) => reservation.matchId === match);
    openReservations.value = here.filter(isOpen);
  }
  if (held.status === 'fulfilled') holds.value = held.value.holds;
  return held.status === 'fulfilled' && reserved.status === 'fulfilled';
}

/** Reads what the fan has now, and reports what was lost. */
export async function findOwn(): Promise<void> {
  if (!user.value) return forgetOwn();
  if (busy.value) return;
  const before = holds.value;
  await readOwn(() => busy.value || holds.value !== before);
  tellLost(before);
}

/** The same, but only if the fan has anything in the match. */
export function watchOwn(): void {
  if (hold.value || openReservations.value.length > 0) void findOwn();
}

function tellLost(before: Hold[]): void {
  const lost = before.filter((held) => held.seats.some((line) => !ownSeats.value.has(line.seatId)));
  const moved = before.length > 0 && holds.value.length === 0;
  const t = text.value.hold;
  if (lost.length > 0 && saleEnded()) tell('bad', t.ended);
  else if (lost.some((held) => secondsUntil(held.expiresAt) <= 1)) tell('bad', t.expired);
  else if (lost.length > 0) tell('info', t.lost);
  else if (moved) tell('info', t.reserved);
}
