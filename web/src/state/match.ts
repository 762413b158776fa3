// The match on the page: its plan, its live seats, and the health of the connection.

import { signal } from '@preact/signals';
import { fetchMatch, fetchPlan } from '../api/endpoints';
import { asProblem } from '../api/problem';
import type { Match, MatchNow, ServingFrame } from '../api/types';
import type { StreamHealth } from '../live/event-stream';
import { MatchFeed, type Subject } from '../live/match-feed';
import { text } from '../text';
import { SeatStates } from '../venue/seat-states';
import { SeatTable } from '../venue/seat-table';
import { tell } from './notices';
import { prices, readPrices } from './prices';

export interface OpenMatch {
  match: Match;
  table: SeatTable;
  states: SeatStates;
}

const COUNT_INTERVAL_MS = 250;
/** A live stream brings a change within this time after a refusal that depends on it. */
const DOUBT_TIMEOUT_MS = 2000;
/** The node that serves the plan may learn of it a moment after the node that announced it. */
const PLAN_TRIES_MAX = 20;
const PLAN_PAUSE_MS = 500;
const tables = new Map<string, SeatTable>();

export const openMatch = signal<OpenMatch | null>(null);
/** Why there is no match to show. */
export const matchFailure = signal<unknown>(null);
export const health = signal<StreamHealth>('connecting');
/** The state of the waiting room, if there is one. */
export const serving = signal<ServingFrame | null>(null);
/** Increases when seats have changed, at most four times a second. Counts and lists depend on it. */
export const seatsTick = signal(0);

let feed: MatchFeed | null = null;
/** Whether the fan waits in the line of this match. */
let waits = () => false;
/** What the stream has sent before the plan was here. Null when it is here. */
let early: ((open: OpenMatch) => void)[] | null = null;
let tickTimer: number | undefined;
let tickedAt = -Infinity;
/** Increases with each visit of a match, so that late responses to an earlier visit can be dropped. */
let visit = 0;
/** How many lists of prices were asked for because the match has changed, and which is shown. */
let listsAsked = 0;
let listShown = 0;

export async function enterMatch(id: string): Promise<void> {
  leaveMatch();
  const mine = visit;
  try {
    const list = readPrices(id);
    // Its failure counts when it is waited for.
    list.catch(() => undefined);
    const match = await fetchMatch(id);
    if (mine !== visit) return;
    follow(match);
    const [table, known] = await Promise.all([tableOf(match.siteId, match.planVersion ?? 0), list]);
    if (mine !== visit) return;
    prices.value = known;
    show(match, table);
  } catch (error) {
    if (mine === visit) matchFailure.value = error;
  }
}

export function leaveMatch(): void {
  visit += 1;
  feed?.close();
  feed = null;
  early = null;
  openMatch.value = null;
  matchFailure.value = null;
  serving.value = null;
  prices.value = null;
  health.value = 'connecting';
}

/** Whether a match is still on the page, after something that takes a while. */
export const isAt = (match: string): boolean => openMatch.value?.match.id === match;

/** Says how to find out whether the fan waits for their turn. */
export function whileWaiting(ask: () => boolean): void {
  waits = ask;
}

/** Says what the fan looks at: the seats or the waiting room. */
export function lookAt(what: Subject): void {
  if (openMatch.value) feed?.show(what);
}

/** Opens the stream while the plan is still on its way. */
function follow(match: Match): void {
  early = [];
  const act = (what: (open: OpenMatch) => void) => {
    if (early) early.push(what);
    else if (openMatch.value) what(openMatch.value);
  };
  feed = new MatchFeed(match.id, {
    snapshot: (blocks) => act(({ states }) => states.applySnapshot(blocks)),
    changes: (changes) => act(({ states }) => states.applyChanges(changes)),
    match: (now) => act(() => take(now)),
    serving: (line) => {
      serving.value = line;
    },
    health: (now) => {
      health.value = now;
    },
    refused: () => void refreshMatch(),
    waits: () => waits(),
  });
  // Of a match with a waiting room, the page says whether the fan looks at seats or waits.
  if (!match.queue.enabled) feed.show('seats');
}

function show(match: Match, table: SeatTable): void {
  const states = new SeatStates(table);
  states.subscribe(tickSoon);
  const sent = early ?? [];
  early = null;
  openMatch.value = { match, table, states };
  for (const act of sent) if (openMatch.value) act(openMatch.value);
}

/** Applies a new state of the match. The stream or a response may bring an earlier state late. */
function take(now: MatchNow): void {
  const open = openMatch.value;
  if (!open || now.version < open.match.version) return;
  const before = open.match;
  if (!now.queue.enabled) serving.value = null;
  if (now.version === before.version) return;
  openMatch.value = { ...open, match: { ...before, ...now } };
  void refreshPrices(before.id);
  const words = text.value.sale;
  if (before.status === 'OPEN' && now.status !== 'OPEN') tell('info', words.closed);
  if (before.status !== 'OPEN' && now.status === 'OPEN') {
    tell('good', now.queue.enabled ? words.lineOpened : words.opened);
  }
}

/** A new version of the match may have new prices. What is held keeps its price. */
async function refreshPrices(match: string): Promise<void> {
  const mine = visit;
  listsAsked += 1;
  const turn = listsAsked;
  const list = await readPrices(match).catch(() => undefined);
  // A late response must not replace a list that was asked for after it.
  if (list === undefined || mine !== visit || turn < listShown) return;
  listShown = turn;
  prices.value = list;
}

/** Fetches the match, because its stream is not open. */
export async function refreshMatch(): Promise<void> {
  const open = openMatch.value;
  if (!open) return;
  const mine = visit;
  try {
    const now = await fetchMatch(open.match.id);
    if (mine === visit) take(now);
  } catch (error) {
    if (mine === visit && asProblem(error).status === 404) matchFailure.value = error;
  }
}

/** If a refusal contradicts the page for too long, the stream is dead and is opened again. */
export function doubt(error: unknown): void {
  if (!contradicts(error)) return;
  const mine = visit;
  setTimeout(() => {
    if (mine === visit && contradicts(error)) feed?.reopen();
  }, DOUBT_TIMEOUT_MS);
}

function contradicts(error: unknown): boolean {
  const open = openMatch.value;
  const { code, members } = asProblem(error);
  if (!open) return false;
  const { match, table, states } = open;
  switch (code) {
    case 'SEAT_TAKEN':
      return members.lost?.some((id) => states.isFree(table.indexOf(id) ?? -1)) ?? false;
    case 'SOLD_OUT':
      return states.free > 0;
    case 'MATCH_NOT_OPEN':
      return match.status === 'OPEN';
    case 'PASS_REQUIRED':
      return !match.queue.enabled;
    case 'QUEUE_OFF':
      return match.queue.enabled === true && match.status === 'OPEN';
    default:
      return false;
  }
}

/** The plan of a site in this or a later version. Each version is loaded once. */
export async function tableOf(site: string, version = 0): Promise<SeatTable> {
  for (let attempt = 1; ; attempt += 1) {
    const known = tables.get(site);
    if (known && known.plan.version >= version) return known;
    const plan = await fetchPlan(site);
    if (plan.version >= version || attempt === PLAN_TRIES_MAX) {
      const table = new SeatTable(plan);
      tables.set(site, table);
      return table;
    }
    await new Promise((resolve) => setTimeout(resolve, PLAN_PAUSE_MS));
  }
}

/** Ticks at once, and then at most four times a second. */
function tickSoon(): void {
  if (tickTimer !== undefined) return;
  const wait = Math.max(0, tickedAt + COUNT_INTERVAL_MS - performance.now());
  tickTimer = window.setTimeout(() => {
    tickTimer = undefined;
    tickedAt = performance.now();
    seatsTick.value += 1;
  }, wait);
}
