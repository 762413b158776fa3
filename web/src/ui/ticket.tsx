import type { Booking, Match, SeatLine } from '../api/types';
import { text } from '../text';
import { groupLines, lineText, matchDay, matchTime, nameOf, reservationNumber } from '../text/format';
import { QrCode } from './qr-code';

export function Ticket({ reservation, match }: { reservation: Booking; match: Match }) {
  const t = text.value.reservations;
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
          {groupLines(reservation.seats).map(({ key, text: name, count, type, price }) => (
            <dd key={key}>
              {name}
              {count > 1 && ` × ${count}`}
              <small class="soft">
                {[...(type ? [type] : []), text.value.won(price)].join(' · ')}
              </small>
            </dd>
          ))}
        </div>
        <div>
          <dt>{confirmed ? t.amount : t.toPay}</dt>
          <dd>
            {text.value.won(reservation.amount)}
            {reservation.serviceFee ? (
              <small class="soft">{t.withFee(text.value.won(reservation.serviceFee))}</small>
            ) : null}
          </dd>
        </div>
        <div>
          <dt>{t.number}</dt>
          <dd class="number">{reservationNumber(reservation.id)}</dd>
        </div>
      </dl>
      {confirmed && (
        <footer>
          {(reservation.checkInCodes ?? []).map(({ seatId, code }) => (
            <Code key={seatId} value={code} seat={reservation.seats.find((seat) => seat.seatId === seatId)} />
          ))}
        </footer>
      )}
    </article>
  );
}

/** The code with which one seat is entered. People who go alone each show their own. */
function Code({ value, seat }: { value: string; seat?: SeatLine }) {
  const name = seat ? lineText(seat) : '';
  return (
    <figure>
      <QrCode value={value} label={`${text.value.reservations.qr}: ${name}`} />
      <figcaption>{name}</figcaption>
    </figure>
  );
}
