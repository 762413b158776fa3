// The fan's choice before a hold: seats, and the grades to show.

import { computed, signal } from '@preact/signals';
import { text } from '../text';
import type { SeatTable } from '../venue/seat-table';
import { openMatch } from './match';
import { tell } from './notices';

/** How many seats a user may have. */
export const seatLimit = computed(() => openMatch.value?.match.maxSeatsPerUser ?? 1);

export const chosen = signal<readonly number[]>([]);
export const gradesWanted = signal<ReadonlySet<string>>(new Set());
export const highestPrice = signal<number | null>(null);

export const gradeShown = computed(() => {
  const grades = openMatch.value?.table.grades ?? [];
  const wanted = gradesWanted.value;
  const highest = highestPrice.value;
  return (index: number): boolean => {
    const grade = grades[index];
    if (wanted.size > 0 && !wanted.has(grade.code)) return false;
    return highest === null || grade.price <= highest;
  };
});

export function toggleSeat(seat: number): void {
  if (chosen.value.includes(seat)) {
    chosen.value = chosen.value.filter((other) => other !== seat);
  } else if (chosen.value.length >= seatLimit.value) {
    tell('info', text.value.choose.limit(seatLimit.value));
  } else {
    chosen.value = [...chosen.value, seat];
  }
}

/** Removes seats from the choice, and returns the removed ones. */
export function loseSeats(lost: (seat: number) => boolean): number[] {
  const gone = chosen.value.filter(lost);
  if (gone.length > 0) chosen.value = chosen.value.filter((seat) => !lost(seat));
  return gone;
}

export function toggleGrade(code: string): void {
  const next = new Set(gradesWanted.value);
  if (!next.delete(code)) next.add(code);
  gradesWanted.value = next;
}

export function clearFilters(): void {
  gradesWanted.value = new Set();
  highestPrice.value = null;
}

export function priceOf(table: SeatTable, seats: readonly number[]): number {
  return seats.reduce((sum, seat) => sum + table.grade(seat).price, 0);
}
