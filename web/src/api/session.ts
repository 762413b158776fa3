// The session of the fan. The access token is in memory only. The refresh token is in a cookie that
// no script can read, so all tabs share it. A mark in localStorage says that there may be one, so
// that visitors send no useless request. Other tabs follow a log-in and a log-out by this mark.

import { signal, untracked } from '@preact/signals';
import { request, type RequestOptions } from './http';
import { asProblem, isUnknown } from './problem';
import type { Tokens, User } from './types';

const MARK = 'grandstand.session';
const RESTORE_PAUSE_MS = 2000;
/** Three tries and their pauses end before the server forgets a token that was used. */
const REFRESH_TIMEOUT_MS = 5000;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export const user = signal<User | null>(null);
/** False until a stored session has been tried. Before that nobody knows whether the fan is logged in. */
export const sessionKnown = signal(false);
/** True while a stored session cannot be tried, because the server cannot be reached. */
export const sessionAway = signal(false);

/** Acts when another user than the last logs in, whose data must not stay on the page. */
export function onOtherUser(act: () => void): () => void {
  let last = user.peek()?.id;
  return user.subscribe((now) => {
    if (!now || now.id === last) return;
    const isOther = last !== undefined;
    last = now.id;
    if (isOther) untracked(act);
  });
}

let accessToken: string | null = null;
let refreshing: Promise<boolean> | null = null;

export async function restoreSession(): Promise<void> {
  addEventListener('storage', followOtherTabs);
  await followMark();
  sessionKnown.value = true;
  sessionAway.value = false;
}

/** Renews until this tab has the session of the mark. A refusal removes the mark. */
async function followMark(): Promise<void> {
  const isBehind = () => {
    const marked = localStorage.getItem(MARK);
    return marked !== null && marked !== user.value?.id;
  };
  while (isBehind()) {
    await refresh().catch(() => false);
    if (!isBehind()) return;
    sessionAway.value = !sessionKnown.value;
    await pause(RESTORE_PAUSE_MS);
  }
}

/** The account has changed: the next access token and `user` say so. */
export function renewUser(): void {
  if (localStorage.getItem(MARK)) refresh().catch(() => undefined);
}

/** Another tab has logged in or out. */
function followOtherTabs(event: StorageEvent): void {
  if (event.key !== MARK) return;
  if (event.newValue === null) forget();
  else void followMark();
}

export async function logIn(email: string, password: string, code?: string): Promise<void> {
  const body = { email, password, code, cookie: true };
  // A code works once, so a second try with it would say that it is wrong.
  const harmless = code === undefined;
  await keep(await request<Tokens>('/api/users/log-in', { method: 'POST', body, harmless }));
}

export async function signUp(email: string, password: string, key: string): Promise<void> {
  try {
    await request('/api/users/sign-up', { method: 'POST', body: { email, password }, key });
  } catch (error) {
    // The response was lost. A log-in shows whether the account exists.
    if (!isUnknown(asProblem(error))) throw error;
    return logIn(email, password).catch(() => {
      throw error;
    });
  }
  await logIn(email, password);
}

export async function logOut(): Promise<void> {
  // The session ends on this device even if the call fails. The server's session expires by itself.
  await requestAsUser('/api/users/log-out', { method: 'POST' }).catch(() => undefined);
  forget();
}

/**
 * A request as the user. After a 401 it renews the token once and repeats the request. If the token
 * can't be renewed now, the error says why, because a 401 would say that the session has ended.
 */
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

/** Opens an event stream as the user, or as a visitor: streams of users count apart from their address. */
export async function fetchStream(url: string | URL, init: RequestInit): Promise<Response> {
  const sentWith = accessToken;
  const open = (token: string | null) =>
    fetch(url, { ...init, headers: { ...init.headers, ...(token && { Authorization: `Bearer ${token}` }) } });
  const response = await open(sentWith);
  if (response.status !== 401) return response;
  await response.body?.cancel();
  const renewed = accessToken !== sentWith || (await refresh().catch(() => false));
  return open(renewed ? accessToken : null);
}

/**
 * Renews the tokens. False if the session has ended. Requests that fail together share one renewal,
 * because a rotated token soon stops working.
 */
function refresh(): Promise<boolean> {
  refreshing ??= renew().finally(() => {
    refreshing = null;
  });
  return refreshing;
}

async function renew(): Promise<boolean> {
  if (!localStorage.getItem(MARK)) {
    forget();
    return false;
  }
  try {
    // A second try is harmless, because a rotated token works for a minute (`REFRESH_GRACE_MS` of
    // the server). All tries end well before.
    const options: RequestOptions = { method: 'POST', harmless: true, timeoutMs: REFRESH_TIMEOUT_MS };
    await keep(await request<Tokens>('/api/users/refresh', options));
    return true;
  } catch (error) {
    // Only a refusal ends the session, not a network that is down or a server that is busy.
    const { status } = asProblem(error);
    if (status !== 401 && status !== 403) throw error;
    forget();
    return false;
  }
}

async function keep(tokens: Tokens): Promise<void> {
  accessToken = tokens.accessToken;
  user.value = tokens.user ?? (await request<User>('/api/users/me', { token: accessToken }));
  localStorage.setItem(MARK, user.value.id);
}

/** The session has ended, or the account is gone. */
export function forget(): void {
  accessToken = null;
  localStorage.removeItem(MARK);
  user.value = null;
}
