// The random order of the people who joined before the sale opened, and a check of it in the browser.

import { computed, signal } from '@preact/signals';
import { fetchDraw } from '../api/endpoints';
import { asProblem } from '../api/problem';
import { user } from '../api/session';
import type { Draw } from '../api/types';
import { openMatch } from './match';
import { place } from './queue';
import { recallPlace } from './ticket';

/** What is published about the draw of the match on the page. */
export const draw = signal<Draw | null>(null);

/** The user's ticket and number in the draw, as far as this browser knows them. */
export const ownTicket = computed<{ ticket: number | null; number: number | null }>(() => {
  // The memory changes together with the place.
  const mine = place.value;
  const match = openMatch.value?.match.id;
  const old = match && user.value ? recallPlace(match, user.value.id) : null;
  return { ticket: mine?.ticket ?? old?.ticket ?? null, number: mine?.number ?? old?.number ?? null };
});

export async function readDraw(match: string): Promise<void> {
  try {
    const read = await fetchDraw(match);
    if (openMatch.value?.match.id === match) draw.value = read;
  } catch (error) {
    if (asProblem(error).status === 404) draw.value = null;
  }
}

export interface Checked {
  /** Whether the seed belongs to the hash that was published before. */
  seedFits: boolean;
  /** The place of the ticket in the order, from 1. */
  place: number;
}

/** Browsers offer hashes only to pages with TLS. */
export const canCheck = (): boolean => globalThis.crypto?.subtle !== undefined;

/** So many hashes are computed at a time, so that the page stays responsive. */
const SLICE = 500;

const encoder = new TextEncoder();

async function sha256(message: string): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', encoder.encode(message));
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The first 64 bits of the hash of a ticket. */
async function drawOf(seed: string, ticket: number): Promise<bigint> {
  const hash = await crypto.subtle.digest('SHA-256', encoder.encode(`${seed}:${ticket}`));
  return new DataView(hash).getBigUint64(0);
}

/** Lets the page draw and react. A timer would add 4 ms to each slice. */
function yieldToPage(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

/**
 * Finds the place of `ticket` by drawing all tickets again, and checks the seed. Reports the share
 * that is done, 0 to 1. It takes about 20 s for a million tickets.
 */
export async function checkDraw(
  { seedHash, seed, drawn }: { seedHash: string; seed: string; drawn: number },
  ticket: number,
  progress: (share: number) => void = () => undefined,
): Promise<Checked> {
  const seedFits = (await sha256(seed)) === seedHash.toLowerCase();
  const mine = await drawOf(seed, ticket);
  let place = 1;
  for (let first = 1; first <= drawn; first += SLICE) {
    const tickets = Array.from({ length: Math.min(SLICE, drawn - first + 1) }, (_, index) => first + index);
    const draws = await Promise.all(tickets.map((other) => drawOf(seed, other)));
    for (const [index, other] of draws.entries()) {
      if (other < mine || (other === mine && tickets[index] < ticket)) place += 1;
    }
    progress(Math.min(1, (first + SLICE) / drawn));
    await yieldToPage();
  }
  return { seedFits, place };
}
