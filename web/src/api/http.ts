// Requests: envelope, problem documents, and retries that can do nothing twice.

import { asProblem, Problem, problemOf } from './problem';

export interface RequestOptions {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  body?: unknown;
  /** Sent as Idempotency-Key, which makes a second try harmless. */
  key?: string;
  /** A second try is harmless without a key: the response is the current state. */
  harmless?: boolean;
  token?: string | null;
  /** Caches on the way may respond, because the response is the same for everybody. */
  shared?: boolean;
  signal?: AbortSignal;
  /** No second try, because the caller asks again later by itself. */
  once?: boolean;
  /** How long each try may take; 20 s by default. */
  timeoutMs?: number;
}

const TRIES = 3;
/** A longer wait is not worth it: the fan should read the refusal instead. */
const RETRY_PAUSE_MAX_SECONDS = 3;
const REQUEST_TIMEOUT_MS = 20_000;

export async function request<T>(path: string, options: RequestOptions = {}): Promise<T> {
  const started = performance.now();
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await requestOnce<T>(path, options);
    } catch (error) {
      const problem = asProblem(error);
      const wait = retryPause(problem, attempt, performance.now() - started);
      if (wait === null || !repeatable(options)) throw problem;
      await new Promise((resolve) => setTimeout(resolve, wait * 1000));
    }
  }
}

async function requestOnce<T>(path: string, options: RequestOptions): Promise<T> {
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (options.body !== undefined) headers['Content-Type'] = 'application/json';
  if (options.key) headers['Idempotency-Key'] = options.key;
  if (options.token) headers.Authorization = `Bearer ${options.token}`;
  const timeout = AbortSignal.timeout(options.timeoutMs ?? REQUEST_TIMEOUT_MS);
  const response = await fetch(path, {
    method: options.method ?? 'GET',
    headers,
    body: options.body === undefined ? undefined : JSON.stringify(options.body),
    signal: options.signal ? AbortSignal.any([options.signal, timeout]) : timeout,
    cache: cacheMode(options),
  });
  if (!response.ok) throw await problemOf(response);
  if (response.status === 204) return undefined as T;
  const envelope = await response.json();
  return envelope.data as T;
}

/** Most responses are correct only at the moment at which they are sent. */
function cacheMode(options: RequestOptions): RequestCache {
  if (options.shared) return 'default';
  return (options.method ?? 'GET') === 'GET' ? 'no-cache' : 'no-store';
}

function repeatable(options: RequestOptions): boolean {
  if (options.signal?.aborted || options.once) return false;
  return options.method !== 'POST' || options.key !== undefined || options.harmless === true;
}

/** Seconds to wait before another try, or null if another try is useless. */
function retryPause(problem: Problem, attempt: number, passedMs: number): number | null {
  const pause = 0.3 * attempt * (0.5 + Math.random());
  const asked = problem.retryAfterSeconds;
  // The first try is still in progress. Its response will be the response to ours.
  if (problem.code === 'IDEMPOTENCY_KEY_IN_USE') {
    return passedMs < REQUEST_TIMEOUT_MS ? (asked ?? 1) : null;
  }
  if (attempt === TRIES || problem.code === 'PAYMENTS_PAUSED') return null;
  if (problem.status === 0 || (problem.status >= 500 && asked === null)) return pause;
  if (problem.status !== 429 && problem.status !== 503) return null;
  if (asked === null || asked > RETRY_PAUSE_MAX_SECONDS) return null;
  return asked + pause;
}
