// The floor that the fan looks at. It is in the address, so that it is there after a reload.

import { computed } from '@preact/signals';
import type { SeatTable } from '../venue/seat-table';
import { openMatch } from './match';
import { replaceRoute, route } from './route';

/** The id of the floor of a plan without floors. */
const ONLY_FLOOR = 1;

/** The id of the floor on the page: that of the address, or the first. */
export const floor = computed(() => {
  const here = route.value;
  const wanted = here.name === 'match' ? here.floor : undefined;
  const floors = openMatch.value?.table.floors ?? [];
  return (floors.find(({ id }) => id === wanted) ?? floors[0])?.id ?? ONLY_FLOOR;
});

export function showFloor(id: number): void {
  const here = route.peek();
  if (here.name === 'match' && id !== floor.peek()) replaceRoute(`#/matches/${here.id}/floors/${id}`);
}

/** Shows the floor on which a seat is. */
export function showFloorOf(table: SeatTable, seat: number): void {
  if (table.floors.length > 0) showFloor(table.block(seat).floor);
}
