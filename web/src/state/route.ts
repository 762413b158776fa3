// The current place in the page. It is in the hash of the address, because the server has only one page.

import { signal } from '@preact/signals';
import { text } from '../text';
import { tell } from './notices';

export type Route =
  | { name: 'matches' }
  | { name: 'match'; id: string; floor?: number }
  | { name: 'reservations' }
  | { name: 'reservation'; id: string }
  | { name: 'payment'; query: URLSearchParams }
  | { name: 'account' }
  | { name: 'import' }
  | { name: 'mail'; kind: 'reset' | 'verify'; token: string };

export const route = signal<Route>(readRoute());

/** True while a payment is being confirmed, because then the address must keep the proof of it. */
export const needsProof = signal(false);

window.addEventListener('hashchange', () => {
  if (!location.search || !location.hash) route.value = readRoute();
  else if (!needsProof.value) go(location.hash);
  else {
    history.replaceState(null, '', location.pathname + location.search);
    tell('info', text.value.payment.stay);
  }
});

// A step back or forward that also changes the query is no change of the hash for browsers.
window.addEventListener('popstate', () => {
  if (returnsFromPayment() !== (route.value.name === 'payment')) route.value = readRoute();
});

function returnsFromPayment(): boolean {
  return new URLSearchParams(location.search).has('payment');
}

export function go(hash: string): void {
  if (location.search) {
    // The address has the proof of the payment here, and must not keep it.
    history.replaceState(null, '', `${location.pathname}${hash}`);
    route.value = readRoute();
  } else {
    location.hash = hash;
  }
}

/** Changes the address without a new entry in the history of the browser. */
export function replaceRoute(hash: string): void {
  history.replaceState(null, '', hash);
  route.value = readRoute();
}

function readRoute(): Route {
  if (returnsFromPayment()) return { name: 'payment', query: new URLSearchParams(location.search) };
  const mail = /^#(reset|verify)=(.+)$/.exec(location.hash);
  if (mail) {
    // The address must not keep the token of a mail.
    history.replaceState(null, '', location.pathname);
    return { name: 'mail', kind: mail[1] as 'reset' | 'verify', token: mail[2] };
  }
  const [, place, id, part, floor] = location.hash.split('/');
  if (place === 'account') return { name: 'account' };
  if (place === 'import') return { name: 'import' };
  if (place === 'matches' && id) {
    return { name: 'match', id, floor: part === 'floors' ? Number(floor) : undefined };
  }
  if (place === 'reservations') return id ? { name: 'reservation', id } : { name: 'reservations' };
  return { name: 'matches' };
}
