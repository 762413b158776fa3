// Who is logged in. The access token lives in memory only; the refresh token in
// sessionStorage, so that it survives the trip to the pay page but not the tab.

import { signal } from '@preact/signals';
import { request, type RequestOptions } from './http';
import { asProblem, isUnknown } from './problem';
import type { Tokens, User } from './types';

const STORED = 'grandstand.refresh';
const RESTORE_AGAIN_MS = 2000;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export const user = signal<User | null>(null);
/** False until a stored session has been tried: only then is "logged out" a fact. */
export const sessionKnown = signal(false);
/** A stored session could not be tried yet: the server can't be reached. */
export const sessionAway = signal(false);

let accessToken: string | null = null;
let refreshing: Promise<boolean> | null = null;

export async function restoreSession(): Promise<void> {
  while (sessionStorage.getItem(STORED) && !(await refresh())) {
    // Refused tokens are forgotten, so this one has met a network that is down.
    if (!sessionStorage.getItem(STORED)) break;
    sessionAway.value = true;
    await pause(RESTORE_AGAIN_MS);
  }
  sessionKnown.value = true;
  sessionAway.value = false;
}

export async function logIn(email: string, password: string): Promise<void> {
  const body = { email, password };
  await keep(await request<Tokens>('/api/users/log-in', { method: 'POST', body, harmless: true }));
}

export async function signUp(email: string, password: string, key: string): Promise<void> {
  try {
    await request('/api/users/sign-up', { method: 'POST', body: { email, password }, key });
  } catch (error) {
    // Whether there is an account now shows the log-in.
    if (!isUnknown(asProblem(error))) throw error;
    return logIn(email, password).catch(() => {
      throw error;
    });
  }
  await logIn(email, password);
}

export async function logOut(): Promise<void> {
  // The session ends here whatever the server says; it forgets the token by itself in time.
  await requestAsUser('/api/users/log-out', { method: 'POST' }).catch(() => undefined);
  forget();
}

/** A request as the user: on 401 the token is renewed, once, and the request sent again. */
export async function requestAsUser<T>(path: string, options: RequestOptions = {}): Promise<T> {
  const sentWith = accessToken;
  try {
    return await request<T>(path, { ...options, token: sentWith });
  } catch (error) {
    const problem = asProblem(error);
    if (problem.status !== 401) throw problem;
    const renewed = accessToken !== sentWith || (await refresh());
    if (!renewed) throw problem;
    return request<T>(path, { ...options, token: accessToken });
  }
}

/** Requests that fail together share one renewal: a rotated token works only once. */
function refresh(): Promise<boolean> {
  refreshing ??= renew().finally(() => {
    refreshing = null;
  });
  return refreshing;
}

async function renew(): Promise<boolean> {
  const refreshToken = sessionStorage.getItem(STORED);
  if (!refreshToken) {
    forget();
    return false;
  }
  try {
    const body = { refreshToken };
    await keep(await request<Tokens>('/api/users/refresh', { method: 'POST', body }));
    return true;
  } catch (error) {
    // Only a refusal ends the session; a network that is down does not.
    if (asProblem(error).status === 401) forget();
    return false;
  }
}

async function keep(tokens: Tokens): Promise<void> {
  accessToken = tokens.accessToken;
  sessionStorage.setItem(STORED, tokens.refreshToken);
  user.value = tokens.user ?? (await request<User>('/api/users/me', { token: accessToken }));
}

function forget(): void {
  accessToken = null;
  sessionStorage.removeItem(STORED);
  user.value = null;
}
