import type { Match, Reservation, SeatLine } from '../api/types';
import { tableOf } from '../state/match';
import { text } from '../text';
import { matchDay, matchTime, nameOf, reservationNumber, seatPlace } from '../text/format';
import type { SeatTable } from '../venue/seat-table';
import { QrCode } from './qr-code';
import { useLoaded } from './use-loaded';

export function Ticket({ reservation, match }: { reservation: Reservation; match: Match }) {
  const t = text.value.reservations;
  // The plan names seats in the reader's language; until it is there the server's label will do.
  const table = useLoaded(() => tableOf(match.siteId, match.planVersion ?? 0), [match.siteId]).data.value;
  const confirmed = reservation.status === 'CONFIRMED';
  const status = reservation.status.toLowerCase();
  return (
    <article class={`ticket ticket-${status}`} data-testid="ticket" data-status={reservation.status}>
      <header>
        <span class={`badge badge-${status}`}>{t.status[reservation.status]}</span>
        <h1>
          {match.homeTeam} <span class="versus">vs</span> {match.awayTeam}
        </h1>
        <p>
          {matchDay(match.startsAt)} {matchTime(match.startsAt)}
        </p>
        <p class="soft">{nameOf(match.stadium)}</p>
      </header>
      <dl>
        <div>
          <dt>{t.seatsLabel}</dt>
          {reservation.seats.map((line) => (
            <dd key={line.seatId}>{placeOf(table, line)}</dd>
          ))}
        </div>
        <div>
          <dt>{confirmed ? t.amount : t.toPay}</dt>
          <dd>{text.value.won(reservation.amount)}</dd>
        </div>
        <div>
          <dt>{t.number}</dt>
          <dd class="number">{reservationNumber(reservation.id)}</dd>
        </div>
      </dl>
      {confirmed && (
        <footer>
          <QrCode value={reservation.id} label={t.qr} />
        </footer>
      )}
    </article>
  );
}

function placeOf(table: SeatTable | null, line: SeatLine): string {
  const seat = table?.indexOf(line.seatId);
  return table && seat !== undefined ? seatPlace(table, seat) : line.label;
}
