// The JSON of the booking API, as docs/API.md fixes it. Ids are strings except
// those of the plan (area, section, block, seat), which are integers.

export type SeatWord = 'AVAILABLE' | 'HOLD' | 'PENDING' | 'OCCUPIED' | 'BLOCKED';
export type MatchStatus = 'DRAFT' | 'OPEN' | 'CLOSED';
export type ReservationStatus = 'PENDING' | 'PAYING' | 'CONFIRMED' | 'CANCELLED' | 'EXPIRED';

export interface QueueSettings {
  enabled: boolean;
  opensAt?: string | null;
  randomPreQueue?: boolean;
  paused?: boolean;
}

/** A match besides its seats, as its event streams tell it. */
export interface MatchNow {
  id: string;
  /** Grows with each change of the match. */
  version: number;
  siteId: string;
  /** The version of the plan and of the prices; null while the server does not know the site. */
  planVersion: number | null;
  stadium: string;
  homeTeam: string;
  awayTeam: string;
  startsAt: string;
  status: MatchStatus;
  queue: QueueSettings;
}

export interface Match extends MatchNow {
  seats: number | null;
  seatsLeft: number | null;
  maxSeatsPerUser: number;
  holdTtlMs: number;
}

export type PlanPoint = [number, number];

export interface PlanRow {
  label: string;
  firstSeatId: number;
  seats: number;
  firstNumber?: number;
  numberStep?: number;
  grade?: string;
  from: PlanPoint;
  to: PlanPoint;
  bow?: number;
}

export interface PlanBlock {
  id: number;
  name: string;
  grade: string;
  outline: PlanPoint[];
  rows: PlanRow[];
}

export interface Plan {
  id: string;
  version: number;
  name: string;
  focus: PlanPoint;
  shapes?: { kind: string; outline: PlanPoint[] }[];
  grades: { code: string; name: string; price: number; color: string }[];
  areas: {
    id: number;
    name: string;
    sections: { id: number; name: string; blocks: PlanBlock[] }[];
  }[];
}

export interface SeatMapSnapshot {
  version: string | number;
  blocks: { id: number; states: string }[];
}

export interface SeatMapChanges {
  version: string | number;
  changes: { seatId: number; state: SeatWord }[];
}

export interface SeatLine {
  seatId: number;
  label: string;
  price: number;
}

export interface Hold {
  holdId: string;
  seats: SeatLine[];
  amount: number;
  expiresAt: string;
}

export interface Alternative {
  seatIds: number[];
  labels?: string[];
  amount?: number;
}

export interface BestAvailable {
  count: number;
  grade?: string;
  sectionIds?: number[];
  adjacent?: boolean;
}

export interface Reservation {
  id: string;
  matchId: string;
  status: ReservationStatus;
  seats: SeatLine[];
  amount: number;
  expiresAt?: string | null;
  createdAt?: string;
}

export interface Payment {
  id: string;
  orderId: string;
  amount: number;
  status: string;
  reservationId?: string;
  checkoutUrl?: string;
}

export interface Confirmation {
  payment: Payment;
  reservation: Reservation;
  persisted?: boolean;
}

export interface User {
  id: string;
  email: string;
  role: string;
}

export interface Tokens {
  accessToken: string;
  refreshToken: string;
  expiresIn: number;
  user?: User;
}

export interface WaitEstimate {
  p50Seconds: number;
  p90Seconds: number;
}

export interface QueuePlace {
  state: 'WAITING' | 'ADMITTED';
  /** None once we are in. */
  number: number | null;
  serving: number;
  ahead: number;
  eta: WaitEstimate | null;
  passExpiresAt: string | null;
}

export interface ServingFrame {
  serving: number;
  waiting: number;
  admittedPerMinute: number | null;
  eta: WaitEstimate | null;
  soldOut: boolean;
}
