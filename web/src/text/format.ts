// Times and labels as people read them.

import type { Alternative, SeatLine } from '../api/types';
import { serverNow } from '../live/clock';
import type { SeatTable } from '../venue/seat-table';
import { language, text } from './index';
import { halfOf } from './names';

const KOREA = 'Asia/Seoul';
const locale = () => (language.value === 'ko' ? 'ko-KR' : 'en-GB');

const yearOf = (moment: Date) =>
  new Intl.DateTimeFormat('en', { timeZone: KOREA, year: 'numeric' }).format(moment);

/** The day, with its year unless it is this one. */
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

/** The time of the day, and where it is so. */
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

/** 4:05 */
export function clockText(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

/** What the ticket of a seat says, in the language of the page. */
export function seatText(table: SeatTable, seat: number): string {
  return table.label(seat, language.value);
}

/** The same, of a seat that the server named. */
export function lineText(line: SeatLine): string {
  return language.value === 'ko' ? line.labelKo : line.label;
}

/** The same, of seats that the server offers. */
export function offerTexts(offer: Alternative): string[] {
  return language.value === 'ko' ? offer.labelsKo : offer.labels;
}

/** The part of a reservation's id that a person can read out: `3F9A-01C4-77BE`. */
export function reservationNumber(id: string): string {
  const tail = id.replaceAll('-', '').slice(-12).toUpperCase();
  return tail.match(/.{1,4}/g)?.join('-') ?? tail;
}
