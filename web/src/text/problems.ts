// Which sentence belongs to a refusal: one for each code of the server, and others where the same
// code means something else to people.

import type { ProblemCode } from '../api/problem';
import type { ErrorCode } from '../api/types';

/** What the fan is doing. */
export type Place = 'account' | 'reservation' | 'payment';

type Special = ErrorCode | 'NETWORK';

export interface Sentences {
  codes: Record<ErrorCode, string>;
  /** The server can't be reached. */
  NETWORK: string;
  /** Something between us and the server refuses: too many requests, or a fault. */
  TOO_MANY: string;
  AWAY: string;
  at: Record<Place, Partial<Record<Special, string>>>;
}

export function sentenceOf(sentences: Sentences, code: ProblemCode, place?: Place): string {
  const here = place && sentences.at[place][code as Special];
  if (here) return here;
  if (code === 'NETWORK') return sentences.NETWORK;
  // A newer server has codes that this page does not know: it says no more than that.
  return sentences.codes[code as ErrorCode] ?? (code === 'HTTP_429' ? sentences.TOO_MANY : sentences.AWAY);
}
