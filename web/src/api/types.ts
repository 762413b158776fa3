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
  Area,
  Block,
  Row,
  SeatState,
  Section,
  Shape,
  SessionInfo,
  SessionView,
  SiteView,
  UserView,
} from './schema';

export type {
  Alternative,
  Eta as WaitEstimate,
  ErrorCode,
  MatchStatus,
  QueueSettings,
  ReservationStatus,
  Solution,
  WantedChallenge,
} from './schema';

/** A log-in of the fan on some device. */
export type LogIn = SessionInfo;
export type SeatWord = SeatState;
/** A match without its seats, as in the event `match`. */
export type { MatchNow };
export type Match = MatchView;
export type PlanPoint = [number, number];

/** Seats side by side. */
export interface PlanRun {
  firstSeatId: number;
  seats: number;
  firstNumber?: number;
  numberStep?: number;
  names?: string[];
  unnumbered?: boolean;
  externalIds?: string[];
  from?: PlanPoint;
  to?: PlanPoint;
  bow?: number;
  points?: PlanPoint[];
  grade?: string | null;
  joined?: boolean;
  unitSeats?: number;
}
export type PlanRow = Partial<Omit<Row, 'runs'>> & { label?: string; runs?: PlanRun[] };
export type PlanBlock = Omit<Block, 'rows'> & {
  rows?: PlanRow[];
  places?: { firstSeatId: number; count: number };
  moreOutlines?: PlanPoint[][];
  attributes?: Record<string, number[]>;
  floor?: number | null;
};
export type PlanShape = Omit<Shape, 'outline' | 'kind'> & {
  kind: string;
  outline?: PlanPoint[];
  circle?: { center: PlanPoint; radius: number };
  color?: string;
  floor?: number | null;
};
export interface PlanText {
  text: string;
  at: PlanPoint;
  size: number;
  angle?: number;
  color?: string;
  floor?: number | null;
}
export interface PlanImage {
  href: string;
  at: PlanPoint;
  width: number;
  height: number;
  floor?: number | null;
}
interface LabelWords {
  blocks: string[];
  row: string;
  rowEnd: string;
  seat: string;
  seatOnly: string;
  end: string;
}
export type Plan = Omit<SiteView, 'areas' | 'shapes' | 'labels'> & {
  labels: Record<'ko' | 'en', LabelWords>;
  areas: (Omit<Area, 'sections'> & { sections: (Omit<Section, 'blocks'> & { blocks: PlanBlock[] })[] })[];
  shapes?: PlanShape[];
  floors?: { id: number; name: string }[];
  texts?: PlanText[];
  images?: PlanImage[];
};
export type SeatLine = ClaimedSeat;
export type Hold = HoldView;
export type BestAvailable = BestInput;
export type Reservation = ReservationView;
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
