// Going to the pay page and coming back.

import { ANONYMOUS, loadTossPayments } from '@tosspayments/tosspayments-sdk';
import { newKey, requestPayment } from '../api/endpoints';
import { asProblem, isUnknown } from '../api/problem';
import type { Payment } from '../api/types';

const STORED = 'grandstand.payment';

/** The key of a request whose response was lost. With the same key, a repeated request is the same request. */
let unanswered = { reservation: '', key: '' };

async function paymentOf(reservation: string): Promise<Payment> {
  const key = unanswered.reservation === reservation ? unanswered.key : newKey();
  unanswered = { reservation: '', key: '' };
  try {
    return await requestPayment(reservation, key);
  } catch (error) {
    if (isUnknown(asProblem(error))) unanswered = { reservation, key };
    throw error;
  }
}

/** What became of going to pay: `left` if the fan closed the window, `none` if there is no window. */
export type Going = 'gone' | 'left' | 'none';

/** Requests a payment and goes to where it is paid. */
export async function goToPay(reservation: string, orderName: string): Promise<Going> {
  const payment = await paymentOf(reservation);
  sessionStorage.setItem(`${STORED}.${payment.id}`, reservation);
  const back = addressOfReturn(payment.id);
  if (payment.amount === 0) {
    // The gateway accepts no payment of 0, so the page goes straight to the confirmation.
    back.searchParams.set('paymentKey', 'free-of-charge');
    back.searchParams.set('orderId', payment.orderId);
    back.searchParams.set('amount', '0');
    location.assign(back.href);
    return 'gone';
  }
  if (payment.clientKey) return openWindow(payment.clientKey, payment, orderName, back.href);
  if (!payment.checkoutUrl) return 'none';
  location.assign(checkoutAddress(payment.checkoutUrl, orderName, back.href));
  return 'gone';
}

/**
 * Opens the payment window of Toss in place of this page. So it needs no pop-up, which a phone would block.
 * Toss learns nothing about the fan, because the order has all that a payment needs.
 */
async function openWindow(clientKey: string, payment: Payment, orderName: string, back: string): Promise<Going> {
  try {
    const toss = await loadTossPayments(clientKey);
    await toss.payment({ customerKey: ANONYMOUS }).requestPayment({
      method: 'CARD',
      amount: { currency: 'KRW', value: payment.amount },
      orderId: payment.orderId,
      orderName,
      successUrl: back,
      failUrl: back,
      windowTarget: 'self',
    });
    return 'gone';
  } catch (error) {
    console.error(error);
    return String((error as { code?: unknown }).code).includes('CANCEL') ? 'left' : 'none';
  }
}

/** The reservation of a payment that this tab requested. */
export function reservationOf(payment: string): string | null {
  return sessionStorage.getItem(`${STORED}.${payment}`);
}

function addressOfReturn(payment: string): URL {
  const back = new URL('/', location.href);
  back.searchParams.set('payment', payment);
  return back;
}

function checkoutAddress(checkout: string, orderName: string, back: string): string {
  const address = new URL(checkout, location.href);
  if (!/^https?:$/.test(address.protocol)) throw new TypeError('unusable checkout address');
  address.searchParams.set('orderName', orderName);
  address.searchParams.set('successUrl', back);
  address.searchParams.set('failUrl', back);
  return address.href;
}
