import { openReservations } from '../state/own';
import { text } from '../text';
import { ClaimLines } from './claim-lines';
import { Countdown } from './countdown';

/** Links to the unpaid reservations in this match. */
export function OpenReservations() {
  const t = text.value.reservations;
  return (
    <>
      {openReservations.value.map((reservation) => (
        <section key={reservation.id} class="card" aria-label={t.status[reservation.status]}>
          <h2>{t.status[reservation.status]}</h2>
          {reservation.expiresAt && <Countdown until={reservation.expiresAt} label={t.payBy} />}
          <ClaimLines seats={reservation.seats} serviceFee={reservation.serviceFee} />
          <a class="button primary wide" data-testid="go-on" href={`#/reservations/${reservation.id}`}>
            {reservation.status === 'PENDING' ? t.goOn : t.look}
          </a>
        </section>
      ))}
    </>
  );
}
