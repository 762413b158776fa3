// Times and labels as people read them.

import type { SeatTable } from '../venue/seat-table';
import { language, text } from './index';

const KOREA = 'Asia/Seoul';
const locale = () => (language.value === 'ko' ? 'ko-KR' : 'en-GB');

export function matchDay(moment: string): string {
  return new Intl.DateTimeFormat(locale(), {
    timeZone: KOREA,
    month: 'long',
    day: 'numeric',
    weekday: 'short',
  }).format(new Date(moment));
}

export function matchTime(moment: string): string {
  return new Intl.DateTimeFormat(locale(), {
    timeZone: KOREA,
    hour: 'numeric',
    minute: '2-digit',
  }).format(new Date(moment));
}

/** Plans may name things in both languages, `테이블석 (Table)`: the half that the reader reads. */
export function nameOf(name: string): string {
  const both = /^(.*[가-힣].*) \(([^가-힣]+)\)$/.exec(name);
  return both ? both[language.value === 'ko' ? 1 : 2] : name;
}

/** 4:05 */
export function clockText(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

/** Where a seat is, in the language of the page. */
export function seatText(table: SeatTable, seat: number): string {
  const row = table.row(seat);
  const { list } = text.value;
  const block = list.block(table.blocks[row.block].name);
  return `${block} ${list.row(row.label)} ${list.seat(table.number[seat])}`;
}

/** The same with its section, for a ticket. */
export function seatPlace(table: SeatTable, seat: number): string {
  return `${nameOf(table.sections[table.block(seat).section].name)} ${seatText(table, seat)}`;
}

/** The part of a reservation's id that a person can read out: `3F9A-01C4-77BE`. */
export function reservationNumber(id: string): string {
  const tail = id.replaceAll('-', '').slice(-12).toUpperCase();
  return tail.match(/.{1,4}/g)?.join('-') ?? tail;
}
