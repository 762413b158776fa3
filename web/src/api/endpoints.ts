// One function for each call of the API that the page makes.

import { request } from './http';
import { requestAsUser } from './session';
import type {
  BestAvailable,
  Booking,
  Confirmation,
  Draw,
  Hold,
  Match,
  Payment,
  Plan,
  Prices,
  QueuePlace,
  Reservation,
  SeatMapSnapshot,
  ServingFrame,
  Solution,
} from './types';

/** A new UUIDv4. `crypto.randomUUID` is missing when the page is served without TLS. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** How long a match is listed after its start. */
const LISTED_MS = 86_400_000;

/** The matches that begin after `now` (in ms), or began less than a day before. */
export async function fetchMatches(now: number): Promise<Match[]> {
  const matches: Match[] = [];
  const from = new Date(now - LISTED_MS).toISOString();
  let cursor: string | null | undefined;
  do {
    const next = cursor ? `&cursor=${encodeURIComponent(cursor)}` : '';
    const page = await request<MatchPage>(`/api/matches?limit=100&from=${from}${next}`);
    matches.push(...page.matches);
    cursor = page.nextCursor;
  } while (cursor);
  return matches;
}

interface MatchPage {
  matches: Match[];
  nextCursor?: string | null;
}

export const fetchMatch = (match: string) => request<Match>(`/api/matches/${match}`);

export const fetchPlan = (site: string) => request<Plan>(`/api/sites/${site}`);

export const fetchTime = (signal?: AbortSignal) =>
  request<{ now: string }>('/api/time', { signal });

/** What the event `snapshot` says, for clients without an event stream. */
export const fetchSeats = (match: string) =>
  requestAsUser<SeatMapSnapshot>(`/api/matches/${match}/seats`, { once: true });

export const seatEventsUrl = (match: string) => `/api/matches/${match}/seats/events`;
export const queueEventsUrl = (match: string) => `/api/matches/${match}/queue/events`;

/** What everybody pays. Null or a 404 if the match sells at the prices of its plan. */
export const fetchPrices = (match: string) => request<Prices | null>(`/api/matches/${match}/prices`);

type AreaRequest = { areaId: number; blockId: number; quantity: number; type?: string };

export type HoldRequest =
  | { seatIds: number[] }
  | { seats: { seatId: number; type?: string }[]; areas: AreaRequest[] }
  | { areas: AreaRequest[] }
  | { bestAvailable: BestAvailable };

export const createHold = (match: string, body: HoldRequest, key: string) =>
  requestAsUser<Hold>(`/api/matches/${match}/holds`, { method: 'POST', body, key });

export const fetchHolds = (match: string) =>
  requestAsUser<{ holds: Hold[] }>(`/api/matches/${match}/holds`);

export const releaseHold = (match: string, hold: string) =>
  requestAsUser<void>(`/api/matches/${match}/holds/${hold}`, { method: 'DELETE' });

/** One reservation may take seats from several holds. */
export const createReservation = (matchId: string, seatIds: number[], key: string) =>
  requestAsUser<Reservation>('/api/reservations', {
    method: 'POST',
    body: { matchId, seatIds },
    key,
  });

/** All reservations, the newest first. */
export async function fetchReservations(): Promise<ReservationList> {
  const list: ReservationList = { reservations: [], history: true, open: true };
  let cursor: string | null | undefined;
  do {
    const query = cursor ? `?cursor=${encodeURIComponent(cursor)}` : '';
    const page = await requestAsUser<ReservationPage>(`/api/reservations${query}`);
    list.reservations.push(...page.reservations);
    list.history &&= page.history;
    list.open &&= page.open;
    cursor = page.nextCursor;
  } while (cursor);
  return list;
}

interface ReservationList {
  reservations: Reservation[];
  history: boolean;
  open: boolean;
}

interface ReservationPage extends ReservationList {
  nextCursor?: string | null;
}

export const fetchReservation = (id: string) =>
  requestAsUser<Booking>(`/api/reservations/${id}`);

export const cancelReservation = (id: string) =>
  requestAsUser<Reservation>(`/api/reservations/${id}/cancel`, { method: 'POST', harmless: true });

export const requestPayment = (reservationId: string, key: string) =>
  requestAsUser<Payment>('/api/payments/request', {
    method: 'POST',
    body: { reservationId, method: 'CARD' },
    key,
  });

export const fetchPayment = (id: string) => requestAsUser<Payment>(`/api/payments/${id}`);

export interface PaymentProof {
  paymentId: string;
  paymentKey: string;
  orderId: string;
  amount: number;
}

/** Needs no key, because the payment id already makes a second confirmation harmless. */
export const confirmPayment = (proof: PaymentProof) =>
  requestAsUser<Confirmation>('/api/payments/confirm', { method: 'POST', body: proof, harmless: true });

/** Joins the line. `challenge`: the solution that a refusal has asked for. */
export const joinQueue = (match: string, key: string, challenge?: Solution) =>
  requestAsUser<QueuePlace>(`/api/matches/${match}/queue`, {
    method: 'POST',
    key,
    body: challenge && { challenge },
  });

export const fetchQueuePlace = (match: string) =>
  requestAsUser<QueuePlace>(`/api/matches/${match}/queue`);

export const leaveQueue = (match: string) =>
  requestAsUser<void>(`/api/matches/${match}/queue`, { method: 'DELETE' });

/** What the event `serving` says, for clients without an event stream. */
export const fetchServing = (match: string) =>
  request<ServingFrame>(`/api/matches/${match}/queue/serving`, { shared: true });

export const fetchDraw = (match: string) =>
  request<Draw>(`/api/matches/${match}/queue/draw`, { shared: true });
