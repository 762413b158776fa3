// The match on the page: its plan, its live seats, and the health of the connection.

import { signal } from '@preact/signals';
import { fetchMatch, fetchPlan } from '../api/endpoints';
import type { Match } from '../api/types';
import type { StreamHealth } from '../live/event-stream';
import { SeatFeed } from '../live/seat-feed';
import { SeatStates } from '../venue/seat-states';
import { SeatTable } from '../venue/seat-table';

export interface OpenMatch {
  match: Match;
  table: SeatTable;
  states: SeatStates;
}

const COUNT_EVERY_MS = 250;
const tables = new Map<string, SeatTable>();

export const openMatch = signal<OpenMatch | null>(null);
export const health = signal<StreamHealth>('connecting');
/** Rises, a few times a second at most, when seats have changed: for counts and lists. */
export const seatsTick = signal(0);

let feed: SeatFeed | null = null;
let tickTimer: number | undefined;

export async function enterMatch(id: string): Promise<void> {
  leaveMatch();
  const match = await fetchMatch(id);
  const table = await tableOf(match.siteId);
  const states = new SeatStates(table);
  states.subscribe(tickSoon);
  health.value = 'connecting';
  openMatch.value = { match, table, states };
  feed = new SeatFeed(id, states, (now) => {
    health.value = now;
  });
}

export function leaveMatch(): void {
  feed?.close();
  feed = null;
  openMatch.value = null;
}

/** The plan of a site; each is loaded once. */
export async function tableOf(site: string): Promise<SeatTable> {
  const known = tables.get(site);
  if (known) return known;
  const table = new SeatTable(await fetchPlan(site));
  tables.set(site, table);
  return table;
}

function tickSoon(): void {
  if (tickTimer !== undefined) return;
  tickTimer = window.setTimeout(() => {
    tickTimer = undefined;
    seatsTick.value += 1;
  }, COUNT_EVERY_MS);
}
