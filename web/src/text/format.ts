// Times and labels in the form that people read.

import type { Alternative, PriceName, SeatLine } from '../api/types';
import { serverNow } from '../live/clock';
import type { OpenMatch } from '../state/match';
import { priceFor, pricesDiffer, typesFor, usualPrice } from '../state/prices';
import type { Block, Grade, SeatTable } from '../venue/seat-table';
import { language, text } from './index';
import { halfOf } from './names';

const KOREA = 'Asia/Seoul';
const locale = () => (language.value === 'ko' ? 'ko-KR' : 'en-GB');

const yearOf = (moment: Date) =>
  new Intl.DateTimeFormat('en', { timeZone: KOREA, year: 'numeric' }).format(moment);

/** The day. It includes the year unless that is the current year. */
export function matchDay(moment: string): string {
  const day = new Date(moment);
  return new Intl.DateTimeFormat(locale(), {
    timeZone: KOREA,
    year: yearOf(day) === yearOf(new Date(serverNow())) ? undefined : 'numeric',
    month: 'long',
    day: 'numeric',
    weekday: 'short',
  }).format(day);
}

/** The time of day with its time zone. */
export function matchTime(moment: string): string {
  const time = new Intl.DateTimeFormat(locale(), {
    timeZone: KOREA,
    hour: 'numeric',
    minute: '2-digit',
  }).format(new Date(moment));
  return text.value.matches.inKorea(time);
}

/** A name of the plan in the language of the page. */
export function nameOf(name: string): string {
  return halfOf(name, language.value);
}

/** What a seat of a grade costs: the price, or the lowest of several. */
export function priceRange(grade: Grade): string {
  const t = text.value;
  const all = typesFor(grade).map(({ code }) => priceFor(grade, code));
  return pricesDiffer(grade) ? t.filter.from(t.won(Math.min(...all))) : t.won(usualPrice(grade));
}

/** How many seats or places a block has left. */
export function leftText({ table, states }: OpenMatch, block: number): string {
  const { map } = text.value;
  const free = states.freeInBlock[block];
  return table.blocks[block].isArea ? map.placesFree(free) : map.free(free);
}

/** A name of the price list in the language of the page, or in one that it has. */
export function priceName(name: PriceName): string {
  if (typeof name === 'string') return nameOf(name);
  return name[language.value] ?? name.en ?? name.ko ?? Object.values(name)[0] ?? '';
}

/** 4:05 */
export function clockText(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

const DAY_SECONDS = 86_400;

/** 3 days 04:05:06, or 4:05:06 */
export function longClockText(seconds: number): string {
  const days = Math.floor(seconds / DAY_SECONDS);
  const rest = seconds % DAY_SECONDS;
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  const minutes = `${two((rest % 3600) / 60)}:${two(rest % 60)}`;
  const hours = Math.floor(rest / 3600);
  if (days > 0) return `${text.value.opening.days(days)} ${two(hours)}:${minutes}`;
  return `${hours}:${minutes}`;
}

/** The name of a seat as on its ticket, in the language of the page. */
export function seatText(table: SeatTable, seat: number): string {
  return table.label(seat, language.value);
}

/** The name of an area without seats, as on a ticket. */
export function areaText(table: SeatTable, area: Block): string {
  return table.plan.labels[language.value].blocks[area.index];
}

/** The same for a seat that the server named. */
export function lineText(line: SeatLine): string {
  return language.value === 'ko' ? line.labelKo : line.label;
}

/** Seats of a hold or reservation, or several places of an area that differ in nothing. */
export interface LineGroup {
  key: number;
  text: string;
  count: number;
  type: string | null;
  /** In KRW, for each. */
  price: number;
}

/** The lines of a hold or reservation. Equal places of an area are one line. */
export function groupLines(lines: readonly SeatLine[]): LineGroup[] {
  const groups = new Map<string, LineGroup>();
  for (const line of lines) {
    const name = lineText(line);
    const type = line.typeName ? priceName(line.typeName) : (line.type ?? null);
    const key = `${name}\n${line.type ?? ''}\n${line.price}`;
    const known = groups.get(key);
    if (known) known.count += 1;
    else groups.set(key, { key: line.seatId, text: name, count: 1, type, price: line.price });
  }
  return [...groups.values()];
}

/** The same for seats that the server offers. */
export function offerTexts(offer: Alternative): string[] {
  return language.value === 'ko' ? offer.labelsKo : offer.labels;
}

/** The last part of a reservation's id, short enough to read aloud: `3F9A-01C4-77BE`. */
export function reservationNumber(id: string): string {
  const tail = id.replaceAll('-', '').slice(-12).toUpperCase();
  return tail.match(/.{1,4}/g)?.join('-') ?? tail;
}
