import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { cancelReservation, fetchMatch, fetchReservation } from '../api/endpoints';
import { asProblem, isUnknown } from '../api/problem';
import { sessionKnown, user } from '../api/session';
import type { Booking, Match, Reservation } from '../api/types';
import { askLogIn } from '../state/log-in';
import { tell, tellProblem } from '../state/notices';
import { goToPay } from '../state/payment';
import { text } from '../text';
import { matchDay, matchTime } from '../text/format';
import { orderName } from '../text/names';
import { Countdown } from './countdown';
import { Failure } from './failure';
import { focusWhenShown } from './focus';
import { Ticket } from './ticket';
import { useAgain } from './use-again';
import { useLoaded } from './use-loaded';

/** While the reservation is not final, the page loads it more frequently than a ticket. */
const POLL_INTERVAL_MS = 3000;

interface Booked {
  reservation: Booking;
  match: Match;
}

export function ReservationPage({ id }: { id: string }) {
  const t = text.value;
  const who = user.value?.id;
  const { data, error, reload } = useLoaded<Booked | null>(async () => {
    if (!who) return null;
    const reservation = await fetchReservation(id);
    return { reservation, match: await fetchMatch(reservation.matchId) };
  });
  const status = data.value?.reservation.status;
  // A deadline, the gateway, another tab or another device may change it.
  useAgain(reload, reload, status === 'PENDING' || status === 'PAYING' ? POLL_INTERVAL_MS : undefined);

  if (sessionKnown.value && !who) {
    return (
      <div class="page narrow">
        <div class="card">
          <p>{t.reservations.logIn}</p>
          <button class="button primary" onClick={() => void askLogIn()}>
            {t.logIn}
          </button>
        </div>
      </div>
    );
  }
  if (error.value && !data.value) return <Failure error={error.value} retry={reload} />;
  if (!data.value) return <p class="page soft">{t.loading}</p>;
  const { reservation, match } = data.value;
  return (
    <div class="page narrow">
      <Ticket reservation={reservation} match={match} />
      <State reservation={reservation} match={match} />
      <Refund reservation={reservation} />
      <Cancel reservation={reservation} onDone={reload} />
    </div>
  );
}

function State({ reservation, match }: Booked) {
  const t = text.value;
  switch (reservation.status) {
    case 'PENDING':
      return <PayPart reservation={reservation} match={match} />;
    case 'PAYING':
      return <p class="banner">{t.reservations.paying}</p>;
    case 'CONFIRMED':
      return <p class="soft centre">{t.reservations.show}</p>;
    case 'CANCELLED':
    case 'EXPIRED':
      return (
        <a class="button wide" href={`#/matches/${reservation.matchId}`}>
          {t.reservations.again}
        </a>
      );
  }
}

function PayPart({ reservation, match }: Booked) {
  const t = text.value;
  const busy = useSignal(false);
  // After "back" from the pay page, some browsers show this page in its old state.
  useEffect(() => {
    const back = () => (busy.value = false);
    window.addEventListener('pageshow', back);
    return () => window.removeEventListener('pageshow', back);
  }, []);
  const seats = t.reservations.seats(reservation.seats.length);
  const order = orderName(match.homeTeam, match.awayTeam, seats);
  const pay = async () => {
    busy.value = true;
    try {
      const going = await goToPay(reservation.id, order);
      if (going === 'gone') return;
      tell('bad', going === 'left' ? t.payment.left : t.payment.none);
    } catch (error) {
      tellProblem(error, 'payment');
    }
    busy.value = false;
  };
  return (
    <section class="card pay">
      {reservation.expiresAt && (
        <Countdown until={reservation.expiresAt} label={t.reservations.payBy} />
      )}
      <button class="button primary wide" data-testid="pay" disabled={busy.value} onClick={pay}>
        {busy.value ? t.payment.goTo : t.reservations.pay}
      </button>
    </section>
  );
}

/** Until when the tickets can be given back, and for what; or what came back. */
function Refund({ reservation }: { reservation: Reservation }) {
  const { reservations: t, won } = text.value;
  const { status, refund, payment } = reservation;
  const isOpen = status === 'PENDING' || status === 'CONFIRMED';
  if (isOpen && refund) {
    const until = refund.until && `${matchDay(refund.until)} ${matchTime(refund.until)}`;
    return (
      <p class="soft centre" data-testid="refund">
        {until ? t.refundUntil(until) : t.refundAlways}{' '}
        {refund.fee > 0 ? t.feeNow(won(refund.fee)) : t.noFee}
      </p>
    );
  }
  // A reservation that is not paid can still be cancelled.
  if (isOpen) {
    return (
      <p class="soft centre" data-testid="refund">
        {status === 'CONFIRMED' ? t.refundClosed : t.refundClosedSoon}
      </p>
    );
  }
  if (status !== 'CANCELLED' || !payment?.refunded) return null;
  return (
    <p class="soft centre" data-testid="refund">
      {t.refunded(won(payment.refunded))} {payment.refundFees > 0 && t.feeKept(won(payment.refundFees))}
    </p>
  );
}

function Cancel({ reservation, onDone }: { reservation: Reservation; onDone: () => void }) {
  const t = text.value.reservations;
  const asking = useSignal(false);
  const busy = useSignal(false);
  const isPaid = reservation.status === 'CONFIRMED';
  if (reservation.status !== 'PENDING' && !(isPaid && reservation.refund)) return null;
  const cancel = async () => {
    busy.value = true;
    try {
      const now = await cancelReservation(reservation.id);
      tell('info', now.status === 'CANCELLED' ? t.cancelled : t.refunding);
    } catch (error) {
      const now = isUnknown(asProblem(error)) ? await fetchReservation(reservation.id).catch(() => null) : null;
      if (now?.status === 'CANCELLED') tell('info', t.cancelled);
      else tellProblem(error, 'reservation');
    }
    busy.value = false;
    asking.value = false;
    onDone();
  };
  if (!asking.value) {
    return (
      <button class="link danger" data-testid="cancel" onClick={() => (asking.value = true)}>
        {isPaid ? t.cancelPaid : t.cancel}
      </button>
    );
  }
  return (
    <div class="card ask" role="alertdialog" aria-label={t.cancelSure}>
      <p>{t.cancelSure}</p>
      {isPaid && reservation.refund && (
        <dl class="sums" data-testid="refund-sums">
          <dt>{t.fee}</dt>
          <dd>{text.value.won(reservation.refund.fee)}</dd>
          <dt>{t.back}</dt>
          <dd>{text.value.won(reservation.refund.amount)}</dd>
        </dl>
      )}
      <div class="ask-actions">
        <button class="button danger" data-testid="cancel-yes" disabled={busy.value} onClick={cancel}>
          {t.cancelYes}
        </button>
        <button class="button" ref={focusWhenShown} onClick={() => (asking.value = false)}>
          {t.cancelNo}
        </button>
      </div>
    </div>
  );
}
