// Where in the page we are. The server serves one page, so places live behind the hash.

import { signal } from '@preact/signals';

export type Route =
  | { name: 'matches' }
  | { name: 'match'; id: string }
  | { name: 'reservations' }
  | { name: 'reservation'; id: string }
  | { name: 'payment'; query: URLSearchParams };

export const route = signal<Route>(readRoute());

window.addEventListener('hashchange', () => {
  route.value = readRoute();
});

export function go(hash: string): void {
  if (location.search) {
    // Leaving the return from the pay page: its proof must not stay in the address.
    history.replaceState(null, '', `${location.pathname}${hash}`);
    route.value = readRoute();
  } else {
    location.hash = hash;
  }
}

function readRoute(): Route {
  const query = new URLSearchParams(location.search);
  if (query.has('payment')) return { name: 'payment', query };
  const [, place, id] = location.hash.split('/');
  if (place === 'matches' && id) return { name: 'match', id };
  if (place === 'reservations') return id ? { name: 'reservation', id } : { name: 'reservations' };
  return { name: 'matches' };
}
