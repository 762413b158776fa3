import type { Match, Reservation } from '../api/types';
import { text } from '../text';
import { groupLines, matchDay, matchTime, nameOf, reservationNumber } from '../text/format';
import { QrCode } from './qr-code';

export function Ticket({ reservation, match }: { reservation: Reservation; match: Match }) {
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
          <QrCode value={reservation.id} label={t.qr} />
        </footer>
      )}
    </article>
  );
}
