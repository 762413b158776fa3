// The sentence for a refusal: one for each code of the server, and special ones for places where
// the same code means something else to the fan.

import type { ProblemCode } from '../api/problem';
import type { ErrorCode } from '../api/types';

/** What the fan is doing. */
export type Place = 'account' | 'queue' | 'reservation' | 'payment' | 'plan';

type Special = ErrorCode | 'NETWORK';

export interface Sentences {
  codes: Record<ErrorCode, string>;
  /** The server can't be reached. */
  NETWORK: string;
  /** A proxy between us and the server refuses the request: too many requests, or a fault. */
  TOO_MANY: string;
  AWAY: string;
  at: Record<Place, Partial<Record<Special, string>>>;
}

export function sentenceOf(sentences: Sentences, code: ProblemCode, place?: Place): string {
  const here = place && sentences.at[place][code as Special];
  if (here) return here;
  if (code === 'NETWORK') return sentences.NETWORK;
  // A newer server may send a code that this page does not know.
  return sentences.codes[code as ErrorCode] ?? (code === 'HTTP_429' ? sentences.TOO_MANY : sentences.AWAY);
}
