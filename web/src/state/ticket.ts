// What this browser remembers of the user's places, because the server stops telling a ticket and a
// number when it admits the user, and forgets a place that is over.

import type { QueuePlace } from '../api/types';

const STORED = 'grandstand.tickets';
const KEPT_MAX = 20;

export interface OldPlace {
  ticket: number | null;
  number: number | null;
  epoch: number;
  passExpiresAt: string | null;
  /** The user knows that this place is over. */
  over: boolean;
}

type Stored = Record<string, OldPlace>;

const keyOf = (match: string, user: string) => `${match} ${user}`;

export function recallPlace(match: string, user: string): OldPlace | null {
  return read()[keyOf(match, user)] ?? null;
}

export function rememberPlace(match: string, user: string, place: QueuePlace): void {
  const before = recallPlace(match, user);
  // An admitted user has no ticket any more in the server's response, but had one before.
  const same = before && before.epoch === place.epoch && place.state === 'ADMITTED' ? before : null;
  write(match, user, {
    ticket: place.ticket ?? same?.ticket ?? null,
    number: place.number ?? same?.number ?? null,
    epoch: place.epoch,
    passExpiresAt: place.passExpiresAt,
    over: false,
  });
}

/** Keeps the ticket, so that the user can still check the draw. */
export function endPlace(match: string, user: string): void {
  const place = recallPlace(match, user);
  if (place) write(match, user, { ...place, over: true });
}

function write(match: string, user: string, place: OldPlace): void {
  const { [keyOf(match, user)]: _, ...others } = read();
  // The order of the keys is the order of their last use.
  const kept = Object.entries(others).slice(1 - KEPT_MAX);
  const all: Stored = { ...Object.fromEntries(kept), [keyOf(match, user)]: place };
  localStorage.setItem(STORED, JSON.stringify(all));
}

function read(): Stored {
  try {
    return JSON.parse(localStorage.getItem(STORED) ?? '{}') as Stored;
  } catch {
    return {};
  }
}
