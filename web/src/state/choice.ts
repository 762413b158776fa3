// The fan's choice before a hold: seats, places of areas, the kind of buyer for each, and the grades
// to show.

import { computed, effect, signal, untracked } from '@preact/signals';
import type { HoldRequest } from '../api/endpoints';
import { text } from '../text';
import type { Block, Grade, SeatTable } from '../venue/seat-table';
import { openMatch } from './match';
import { tell } from './notices';
import { firstType, priceFor, serviceFee, ticketTypes, typesFor, usualPrice } from './prices';

/** Places of an area for one kind of buyer. */
export interface AreaPlaces {
  /** Index of the block. */
  block: number;
  type: string | null;
  quantity: number;
}

/** How many seats a user may have. */
export const seatLimit = computed(() => openMatch.value?.match.maxSeatsPerUser ?? 1);

/** Chosen seats in the order of the clicks. */
export const chosen = signal<readonly number[]>([]);
/** The kinds of buyers that the fan has chosen for seats. */
const seatTypes = signal<ReadonlyMap<number, string>>(new Map());
/** The areas that the fan has opened, and how many places of each they want. */
export const chosenAreas = signal<readonly AreaPlaces[]>([]);
export const gradesWanted = signal<ReadonlySet<string>>(new Set());
export const highestPrice = signal<number | null>(null);

/** Seats and places together. */
export const chosenCount = computed(
  () => chosen.value.length + chosenAreas.value.reduce((sum, { quantity }) => sum + quantity, 0),
);

export const gradeShown = computed(() => {
  const grades = openMatch.value?.table.grades ?? [];
  const wanted = gradesWanted.value;
  const highest = highestPrice.value;
  return (index: number): boolean => {
    const grade = grades[index];
    if (wanted.size > 0 && !wanted.has(grade.code)) return false;
    return highest === null || usualPrice(grade) <= highest;
  };
});

/** Chooses a seat, or removes it from the choice, together with the seats that are sold only with it. */
export function toggleSeat(seat: number): void {
  const open = openMatch.value;
  if (!open) return;
  const t = text.value.choose;
  const unit = open.table.unitOf(seat);
  if (chosen.value.includes(seat)) {
    chosen.value = chosen.value.filter((other) => !unit.includes(other));
  } else if (!unit.every((other) => open.states.isFree(other))) {
    tell('info', t.unitBroken);
  } else if (unit.length > seatLimit.value) {
    tell('info', t.unitTooLarge(unit.length, seatLimit.value));
  } else if (chosenCount.value + unit.length > seatLimit.value) {
    tell('info', t.limit(seatLimit.value));
  } else {
    chosen.value = [...chosen.value, ...unit];
  }
}

/** Opens the choice of places of an area, with one place. */
export function openArea(block: Block): void {
  if (chosenAreas.value.some((places) => places.block === block.index)) return;
  if (chosenCount.value >= seatLimit.value) {
    tell('info', text.value.choose.limit(seatLimit.value));
    return;
  }
  const type = firstType(gradeOf(block));
  chosenAreas.value = [...chosenAreas.value, { block: block.index, type, quantity: 1 }];
}

export function closeArea(block: number): void {
  chosenAreas.value = chosenAreas.value.filter((places) => places.block !== block);
}

/** Wants so many places of an area for a kind of buyer. An area without any places leaves the choice. */
export function setPlaces(block: number, type: string | null, quantity: number): void {
  const others = chosenAreas.value.filter((places) => places.block !== block || places.type !== type);
  const isKnown = others.length < chosenAreas.value.length;
  if (quantity === 0) chosenAreas.value = others;
  else if (!isKnown) chosenAreas.value = [...others, { block, type, quantity }];
  else {
    chosenAreas.value = chosenAreas.value.map((places) =>
      places.block === block && places.type === type ? { ...places, quantity } : places,
    );
  }
}

/** How many places of an area are wanted, of a kind of buyer or of all. */
export function placesOf(block: number, type?: string | null): number {
  const here = chosenAreas.value.filter(
    (places) => places.block === block && (type === undefined || places.type === type),
  );
  return here.reduce((sum, { quantity }) => sum + quantity, 0);
}

/** The kind of buyer for whom a chosen seat is. */
export function typeOfSeat(table: SeatTable, seat: number): string | null {
  return typeIn(table.grade(seat), seatTypes.value.get(seat) ?? null);
}

/** The wanted type if seats of the grade are sold for it, otherwise the first type. */
function typeIn(grade: Grade, wanted: string | null): string | null {
  return typesFor(grade).some(({ code }) => code === wanted) ? wanted : firstType(grade);
}

// Places for a type that leaves the list of prices are for the first type, as seats are.
effect(() => {
  void ticketTypes.value;
  if (untracked(() => openMatch.value)) untracked(fitTypes);
});

function fitTypes(): void {
  const fitted = new Map<string, AreaPlaces>();
  for (const { block, type: wanted, quantity } of chosenAreas.value) {
    const type = typeIn(gradeOf(openMatch.value!.table.blocks[block]), wanted);
    const key = `${block} ${type}`;
    fitted.set(key, { block, type, quantity: quantity + (fitted.get(key)?.quantity ?? 0) });
  }
  chosenAreas.value = [...fitted.values()];
}

export function setTypeOfSeat(seat: number, type: string): void {
  seatTypes.value = new Map(seatTypes.value).set(seat, type);
}

/** The first kind of buyer of which more seats are chosen than one hold may have. */
export function overLimit(table: SeatTable) {
  const codes = [
    ...chosen.value.map((seat) => typeOfSeat(table, seat)),
    ...chosenAreas.value.flatMap(({ type, quantity }) => Array.from({ length: quantity }, () => type)),
  ];
  return ticketTypes.value.find(
    ({ code, limit }) => limit != null && codes.filter((other) => other === code).length > limit,
  );
}

/** What the choice costs without and with the service fee, in KRW. */
export function costOfChoice(table: SeatTable): { fee: number; total: number } {
  const seats = chosen.value.map((seat) => priceFor(table.grade(seat), typeOfSeat(table, seat)));
  const places = chosenAreas.value.map(
    ({ block, type, quantity }) => quantity * priceFor(gradeOf(table.blocks[block]), type),
  );
  const fee = serviceFee.value * chosenCount.value;
  return { fee, total: [...seats, ...places].reduce((sum, price) => sum + price, fee) };
}

/** The hold of the choice. */
export function holdOfChoice(table: SeatTable): HoldRequest {
  const seats = chosen.value.map((seat) => ({ seatId: table.ids[seat], type: typeOfSeat(table, seat) }));
  return holdOf(seats, areasOfChoice(table));
}

/** The chosen places of areas, as a hold names them. */
export function areasOfChoice(table: SeatTable) {
  return chosenAreas.value.map(({ block, type, quantity }) => ({
    areaId: table.areaIdOf(table.blocks[block]),
    blockId: table.blocks[block].id,
    quantity,
    type,
  }));
}

/** A hold in its short form, unless a seat or place needs the long one. */
export function holdOf(
  seats: { seatId: number; type: string | null }[],
  areas: { areaId: number; blockId: number; quantity: number; type: string | null }[],
): HoldRequest {
  const usual = ticketTypes.value[0]?.code ?? null;
  if (areas.length === 0 && seats.every(({ type }) => type === usual || type === null)) {
    return { seatIds: seats.map(({ seatId }) => seatId) };
  }
  if (seats.length === 0) return { areas: areas.map(withType) };
  return { seats: seats.map(withType), areas: areas.map(withType) };
}

/** A match without a price list knows no types, so nothing names one. */
function withType<T extends { type: string | null }>({ type, ...rest }: T) {
  return type === null ? rest : { ...rest, type };
}

/** Removes seats from the choice, and with them what is sold only together. Returns the removed ones. */
export function loseSeats(lost: (seat: number) => boolean): number[] {
  const table = openMatch.value?.table;
  const isLost = (seat: number) => table?.unitOf(seat).some(lost) ?? lost(seat);
  const gone = chosen.value.filter(isLost);
  if (gone.length > 0) chosen.value = chosen.value.filter((seat) => !isLost(seat));
  return gone;
}

export function clearChoice(): void {
  chosen.value = [];
  chosenAreas.value = [];
  seatTypes.value = new Map();
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

function gradeOf(block: Block) {
  const { grades } = openMatch.value!.table;
  return grades[block.grade];
}
