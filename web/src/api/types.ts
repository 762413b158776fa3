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
  MyReservation,
  PaymentView,
  PlaceView,
  PricesView,
  QueueState,
  ReservationView,
  Row,
  SeatState,
  SessionInfo,
  SessionView,
  SetupView,
  SiteView,
  TypeName,
  UserView,
} from './schema';

export type {
  Alternative,
  Block as PlanBlock,
  Eta as WaitEstimate,
  ErrorCode,
  ImportView,
  Image as PlanImage,
  MatchStatus,
  PlanFault,
  PlanPoint,
  QueueSettings,
  ReservationStatus,
  Run as PlanRun,
  Shape as PlanShape,
  SitePlan,
  SiteSummary,
  Solution,
  TicketType,
  WantedChallenge,
} from './schema';

/** What an authenticator app needs. */
export type SecondFactorSetup = SetupView;
/** A log-in of the fan on some device. */
export type LogIn = SessionInfo;
export type SeatWord = SeatState;
/** A match without its seats, as in the event `match`. */
export type { MatchNow };
export type Match = MatchView;
export type Plan = SiteView;
export type PlanRow = Row;
export type PriceName = TypeName;
export type Prices = PricesView;
export type SeatLine = ClaimedSeat;
export type Hold = HoldView;
export type BestAvailable = BestInput;
export type Reservation = ReservationView;
/** One reservation, with the codes with which its seats are entered. */
export type Booking = MyReservation;
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
