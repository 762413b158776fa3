// The types of the API under the names that the page uses. They come from schema.ts, which is
// generated from the OpenAPI document. Only types without a schema there are written here.

import type {
  BestInput,
  ClaimedSeat,
  ConfirmView,
  Eta,
  HoldView,
  MatchNow as Now,
  MatchView,
  PaymentView,
  PlaceState,
  ReservationView,
  Row,
  SeatState,
  SessionView,
  SiteView,
  UserView,
} from './schema';

export type {
  Alternative,
  Block as PlanBlock,
  Eta as WaitEstimate,
  ErrorCode,
  MatchStatus,
  QueueSettings,
  ReservationStatus,
} from './schema';

export type SeatWord = SeatState;
/** A match without its seats, as in the event `match`. */
export type MatchNow = Now & SaleTimes;
export type Match = MatchView & SaleTimes;
export type Plan = SiteView;
export type PlanRow = Row;
export type PlanPoint = Row['from'];
export type SeatLine = ClaimedSeat;
export type Hold = HoldView;
export type BestAvailable = BestInput;
export type Reservation = ReservationView;
export type Payment = PaymentView;
export type Confirmation = ConfirmView;
export type User = UserView;
export type Tokens = SessionView;

/** When the sale of a match opens (null: by hand, or not set yet) and closes. */
interface SaleTimes {
  saleOpensAt?: string | null;
  saleClosesAt?: string;
}

/** The user's place in the waiting room. */
export interface QueuePlace {
  state: PlaceState;
  ticket: number | null;
  /** Null before the draw. */
  number: number | null;
  serving: number;
  ahead: number | null;
  eta: Eta | null;
  passExpiresAt: string | null;
  epoch: number;
  pollAfterMs: number;
}

export type RoomState = 'NOT_OPEN' | 'OPEN' | 'SLOWED' | 'PAUSED' | 'SOLD_OUT' | 'CLOSED' | 'OFF';

/** The waiting room as everybody sees it. */
export interface ServingFrame {
  state: RoomState;
  serving: number;
  waiting: number;
  admittedPerMinute: number | null;
  eta: Eta | null;
  soldOut: boolean;
  seatsMayReturn: boolean;
  drawn: number | null;
  epoch: number;
  pollAfterMs: number;
}

/** What is published about the random order. The seed and the count only after the opening. */
export interface Draw {
  seedHash: string;
  seed: string | null;
  drawn: number | null;
}

/** The event `snapshot` of a whole match. */
export interface SeatMapSnapshot {
  version: string | number;
  blocks: { id: number; states: string }[];
}

/** The event `changes`. */
export interface SeatMapChanges {
  version: string | number;
  changes: { seatId: number; state: SeatWord }[];
}
