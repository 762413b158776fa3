import type { ErrorCode, Members } from './schema';

/** A code of the server, or a substitute if the response has none. */
export type ProblemCode = ErrorCode | typeof NETWORK | `HTTP_${number}`;

/** A refusal of the server (RFC 9457). If `status` is 0, the network failed. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: ProblemCode,
    readonly detail: string,
    readonly members: ProblemMembers = {},
    readonly retryAfterSeconds: number | null = null,
  ) {
    super(`${status} ${code}: ${detail}`);
  }

  get requestId(): string | undefined {
    return this.members.requestId;
  }
}

/** The members that some codes have besides the standard ones. */
export type ProblemMembers = Members & { requestId?: string };

/** Whether the server may have done the work: after a cut response, a time-out or a fault. */
export function isUnknown(problem: Problem): boolean {
  return problem.status === 0 || problem.status >= 500 || problem.code === 'IDEMPOTENCY_KEY_IN_USE';
}

export const NETWORK = 'NETWORK';

export function asProblem(error: unknown): Problem {
  return error instanceof Problem ? error : new Problem(0, NETWORK, String(error));
}

export async function problemOf(response: Response): Promise<Problem> {
  const body: Record<string, unknown> = await response.json().catch(() => ({}));
  return new Problem(
    response.status,
    typeof body.code === 'string' ? (body.code as ErrorCode) : `HTTP_${response.status}`,
    typeof body.detail === 'string' ? body.detail : response.statusText,
    body as ProblemMembers,
    retryAfter(response.headers.get('Retry-After')),
  );
}

function retryAfter(header: string | null): number | null {
  if (!header) return null;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return Math.max(0, seconds);
  const moment = Date.parse(header);
  return Number.isNaN(moment) ? null : Math.max(0, (moment - Date.now()) / 1000);
}
