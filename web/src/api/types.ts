// The types of the API under the names that the page uses. They come from schema.ts, which is
// generated from the OpenAPI document. Only types without a schema there are written here.

import type {
  BestInput,
  ClaimedSeat,
  ConfirmView,
  DrawView,
  HoldView,
  LineView,
  MatchNow,
  MatchView,
  PaymentView,
  PlaceView,
  QueueState,
  ReservationView,
  Row,
  SeatState,
  SessionInfo,
  SessionView,
  SiteView,
  UserView,
} from './schema';

export type {
  Alternative,
  Block as PlanBlock,
  Eta as WaitEstimate,
  ErrorCode,
  Image as PlanImage,
  MatchStatus,
  PlanPoint,
  QueueSettings,
  ReservationStatus,
  Run as PlanRun,
  Shape as PlanShape,
  Solution,
  WantedChallenge,
} from './schema';

/** A log-in of the fan on some device. */
export type LogIn = SessionInfo;
export type SeatWord = SeatState;
/** A match without its seats, as in the event `match`. */
export type { MatchNow };
export type Match = MatchView;
export type Plan = SiteView;
export type PlanRow = Row;
/** A name of the price list: a text, or a text for each language. */
export type PriceName = string | { [language: string]: string };
export interface TicketType {
  code: string;
  name: PriceName;
  limit?: number | null;
}
export interface Prices {
  version: number;
  types: TicketType[];
  prices: { grade: string; type: string | null; price: number }[];
  serviceFee: number;
}
export type SeatLine = ClaimedSeat & { type?: string | null; typeName?: PriceName | null };
export type Hold = Omit<HoldView, 'seats'> & { seats: SeatLine[]; serviceFee?: number };
export type BestAvailable = BestInput & { types?: Record<string, number>; accessible?: number };
export type Reservation = Omit<ReservationView, 'seats'> & { seats: SeatLine[]; serviceFee?: number };
export type Payment = PaymentView;
export type Confirmation = ConfirmView;
export type User = UserView;
export type Tokens = SessionView;
export type QueuePlace = PlaceView;
/** The waiting room as everybody sees it. */
export type ServingFrame = LineView;
export type RoomState = QueueState;
/** What is published about the random order. The seed and the count only after the draw. */
export type Draw = DrawView;

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
