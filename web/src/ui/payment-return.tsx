// The return from the pay page: confirms the payment and shows its state.

import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { confirmPayment, fetchPayment, fetchReservation, type PaymentProof } from '../api/endpoints';
import { asProblem, isUnknown, Problem } from '../api/problem';
import { sessionAway, sessionKnown, user } from '../api/session';
import { askLogIn } from '../state/log-in';
import { reservationOf } from '../state/payment';
import { go, needsProof } from '../state/route';
import { sentenceFor, text } from '../text';

type Step =
  | { name: 'confirming' }
  | { name: 'logIn' }
  | { name: 'away' }
  | { name: 'waiting' }
  | { name: 'paused'; seconds: number }
  | { name: 'refused'; message: string };

const POLL_INTERVAL_MS = 1500;
const DEFAULT_PAUSE_SECONDS = 10;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export function PaymentReturn({ query }: { query: URLSearchParams }) {
  const t = text.value;
  const step = useSignal<Step>({ name: 'confirming' });
  const reservation = useSignal<string | null>(reservationOf(query.get('payment') ?? ''));

  // Read here and not in the effect, because effects run late and one confirmation is enough. A log-in
  // anywhere on the page starts the effect again.
  const known = sessionKnown.value;
  const who = user.value?.id;
  useEffect(() => {
    if (!known) return;
    const run = { stopped: false };
    void settle(query, run, reservation, (next) => {
      if (!run.stopped) step.value = next;
    });
    return () => {
      run.stopped = true;
    };
  }, [known, who]);

  const now: Step = !known && sessionAway.value ? { name: 'away' } : step.value;
  // Leaving removes the proof of the payment from the address.
  const mustStay = now.name === 'confirming' || now.name === 'away';
  useEffect(() => {
    needsProof.value = mustStay;
    return () => {
      needsProof.value = false;
    };
  }, [mustStay]);
  return (
    <div class="page narrow">
      <h1>{t.payment.title}</h1>
      <div class="card settle" role="status" aria-live="polite" data-testid="payment">
        {now.name === 'confirming' && <Waiting message={t.payment.confirming} />}
        {now.name === 'away' && <Waiting message={t.payment.away} />}
        {now.name === 'logIn' && (
          <>
            <p class="banner">{t.payment.logIn}</p>
            <button class="button primary" data-testid="log-in" onClick={() => void askLogIn()}>
              {t.logIn}
            </button>
          </>
        )}
        {now.name === 'waiting' && (
          <>
            <Waiting message={t.payment.waiting} />
            <p class="soft">{t.payment.keepWaiting}</p>
          </>
        )}
        {now.name === 'paused' && (
          <>
            <p class="banner">{t.payment.paused}</p>
            <p class="soft">{t.payment.pausedRetry(now.seconds)}</p>
          </>
        )}
        {now.name === 'refused' && <p class="banner banner-bad">{now.message}</p>}
        {!mustStay && now.name !== 'logIn' && (
          <button
            class={now.name === 'refused' ? 'button primary' : 'button'}
            data-testid="to-reservation"
            onClick={() => go(reservation.value ? `#/reservations/${reservation.value}` : '#/reservations')}
          >
            {t.payment.toReservation}
          </button>
        )}
      </div>
    </div>
  );
}

function Waiting({ message }: { message: string }) {
  return (
    <p class="busy">
      <span class="spinner" aria-hidden="true" /> {message}
    </p>
  );
}

async function settle(
  query: URLSearchParams,
  run: { stopped: boolean },
  reservation: { value: string | null },
  show: (step: Step) => void,
): Promise<void> {
  const t = text.peek().payment;
  if (query.has('code') || !query.has('paymentKey')) {
    const cancelled = query.get('code')?.includes('CANCEL') || !query.has('code');
    // Only texts of this page: anybody can make an address with any message in it.
    const reason = t.failedBecause[query.get('code') ?? ''] ?? '';
    show({ name: 'refused', message: cancelled ? t.left : `${t.failed} ${reason}`.trim() });
    return;
  }
  if (!user.value) {
    show({ name: 'logIn' });
    await askLogIn(t.logIn);
    return;
  }
  show({ name: 'confirming' });
  const proof: PaymentProof = {
    paymentId: query.get('payment') ?? '',
    paymentKey: query.get('paymentKey') ?? '',
    orderId: query.get('orderId') ?? '',
    amount: Number(query.get('amount')),
  };
  while (!run.stopped) {
    try {
      const confirmed = await confirmPayment(proof);
      reservation.value = confirmed.reservation.id;
      if (confirmed.reservation.status !== 'CONFIRMED') {
        show({ name: 'waiting' });
        await untilSettled(confirmed.reservation.id, run);
      }
      if (!run.stopped) go(`#/reservations/${reservation.value}`);
      return;
    } catch (error) {
      const problem = asProblem(error);
      // The session has ended meanwhile, which starts the effect again.
      if (problem.status === 401 && !user.value) return;
      if (!isUnknown(problem) && !isForNow(problem)) {
        reservation.value ??= await reservationOfPayment(proof.paymentId);
        const declined = problem.code === 'PAYMENT_DECLINED';
        show({ name: 'refused', message: declined ? t.declined : sentenceFor(problem, 'payment') });
        return;
      }
      await waitOut(problem, run, show);
    }
  }
}

/**
 * Whether the same request may succeed later: the server has too many requests, or the node does
 * not know the newest tokens yet.
 */
const isForNow = ({ status }: Problem) => status === 429 || status === 401;

async function waitOut(
  problem: Problem,
  run: { stopped: boolean },
  show: (step: Step) => void,
): Promise<void> {
  const seconds = Math.ceil(problem.retryAfterSeconds ?? DEFAULT_PAUSE_SECONDS);
  for (let left = seconds; left > 0 && !run.stopped; left -= 1) {
    show(stepAfter(problem, left));
    await pause(1000);
  }
  show({ name: 'confirming' });
}

/** Shows a pause only if the server declared it. After a lost response the outcome is unknown. */
function stepAfter(problem: Problem, seconds: number): Step {
  if (problem.code === 'PAYMENTS_PAUSED') return { name: 'paused', seconds };
  return { name: isForNow(problem) ? 'away' : 'waiting' };
}

async function untilSettled(id: string, run: { stopped: boolean }): Promise<void> {
  while (!run.stopped) {
    await pause(POLL_INTERVAL_MS);
    const now = await fetchReservation(id).catch(asProblem);
    // The page of the reservation handles both errors.
    if (now instanceof Problem ? now.status === 401 || now.status === 404 : now.status !== 'PAYING') return;
  }
}

async function reservationOfPayment(id: string): Promise<string | null> {
  return (await fetchPayment(id).catch(() => null))?.reservationId ?? null;
}
