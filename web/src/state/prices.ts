// The price list of the match on the page: what a seat of each grade costs for each kind of buyer.
// Without a list the prices of the plan count, and there are no kinds of buyers.

import { computed, signal } from '@preact/signals';
import { fetchPrices } from '../api/endpoints';
import { asProblem } from '../api/problem';
import type { Prices, TicketType } from '../api/types';
import type { Grade, SeatTable } from '../venue/seat-table';

export const prices = signal<Prices | null>(null);
/** Kinds of buyers. The first is that of seats for which nothing else is chosen. */
export const ticketTypes = computed<readonly TicketType[]>(() => prices.value?.types ?? []);
/** What each place costs besides its price, in KRW. */
export const serviceFee = computed(() => prices.value?.serviceFee ?? 0);

const priceOf = computed(
  () => new Map(prices.value?.prices.map(({ grade, type, price }) => [`${grade} ${type ?? ''}`, price])),
);

/** Loads the list. A server without price lists says 404. */
export async function readPrices(match: string): Promise<Prices | null> {
  try {
    return (await fetchPrices(match)) ?? null;
  } catch (error) {
    if (asProblem(error).status === 404) return null;
    throw error;
  }
}

/** The kinds of buyers to whom seats of a grade are sold. */
export function typesFor(grade: Grade): TicketType[] {
  return ticketTypes.value.filter(({ code }) => priceOf.value.has(`${grade.code} ${code}`));
}

/** The kind of buyer for whom a seat of a grade is, unless the fan chooses another. */
export function firstType(grade: Grade): string | null {
  return typesFor(grade)[0]?.code ?? null;
}

/** The price of a seat of a grade without the service fee, in KRW. */
export function priceFor(grade: Grade, type: string | null): number {
  return priceOf.value.get(`${grade.code} ${type ?? ''}`) ?? grade.price;
}

/** The price of a seat of a grade before the fan has chosen a kind of buyer. */
export const usualPrice = (grade: Grade): number => priceFor(grade, firstType(grade));

/** Whether a grade has several prices, of which `usualPrice` is the first. */
export function pricesDiffer(grade: Grade): boolean {
  return new Set(typesFor(grade).map(({ code }) => priceFor(grade, code))).size > 1;
}

export const seatPrice = (table: SeatTable, seat: number): number => usualPrice(table.grade(seat));
