import { openReservations } from '../state/own';
import { text } from '../text';
import { lineText } from '../text/format';
import { Countdown } from './countdown';

/** The way back to what is reserved in this match and not paid yet. */
export function OpenReservations() {
  const t = text.value.reservations;
  return (
    <>
      {openReservations.value.map((one) => (
        <section key={one.id} class="card" aria-label={t.status[one.status]}>
          <h2>{t.status[one.status]}</h2>
          {one.expiresAt && <Countdown until={one.expiresAt} label={t.payBy} />}
          <ul class="lines">
            {one.seats.map((line) => (
              <li key={line.seatId}>
                <strong>{lineText(line)}</strong>
                <span class="price">{text.value.won(line.price)}</span>
              </li>
            ))}
          </ul>
          <a class="button primary wide" data-testid="go-on" href={`#/reservations/${one.id}`}>
            {one.status === 'PENDING' ? t.goOn : t.look}
          </a>
        </section>
      ))}
    </>
  );
}
