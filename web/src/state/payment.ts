// Going to the pay page and coming back.

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

/** Requests a payment and goes to the pay page. Returns false if the server names no page. */
export async function goToPay(reservation: string, orderName: string): Promise<boolean> {
  const payment = await paymentOf(reservation);
  const free = payment.amount === 0;
  if (!free && !payment.checkoutUrl) return false;
  sessionStorage.setItem(`${STORED}.${payment.id}`, reservation);
  if (free) {
    // The gateway accepts no payment of 0, so the page goes straight to the confirmation.
    const back = addressOfReturn(payment.id);
    back.searchParams.set('paymentKey', 'free-of-charge');
    back.searchParams.set('orderId', payment.orderId);
    back.searchParams.set('amount', '0');
    location.assign(back.href);
    return true;
  }
  location.assign(checkoutAddress(payment.checkoutUrl ?? '', payment.id, orderName));
  return true;
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

function checkoutAddress(checkout: string, payment: string, orderName: string): string {
  const address = new URL(checkout, location.href);
  if (!/^https?:$/.test(address.protocol)) throw new TypeError('unusable checkout address');
  const back = addressOfReturn(payment);
  address.searchParams.set('orderName', orderName);
  address.searchParams.set('successUrl', back.href);
  address.searchParams.set('failUrl', back.href);
  return address.href;
}
