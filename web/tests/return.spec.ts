// The return from the pay page: whatever happens, the fan can continue.

import { expect, type Page, type Route } from '@playwright/test';
import { Person, smallMatch } from './support/backstage';
import { comeAsNewFan, holdBest, pay, reserve, signUp, test, ticket } from './support/fan';

/** Pays, and gives the address to which the gateway sends the fan back; nothing is confirmed yet. */
async function addressOfReturn(page: Page): Promise<string> {
  await page.route('**/api/payments/confirm', (route) => route.abort());
  await pay(page, 'approve');
  await page.waitForURL(/\?payment=/);
  const address = page.url();
  await page.goto('about:blank');
  return address;
}

test('a fan who closes the log-in window on the way back may still log in and finish the payment', async ({
  arrive,
  server,
}) => {
  const match = await smallMatch(server.url, 'Return Town', 4);
  const desk = await arrive(`/#/matches/${match}`);
  const email = await comeAsNewFan(desk);
  await holdBest(desk);
  await reserve(desk);
  const address = await addressOfReturn(desk);

  for (const where of ['payment', 'header']) {
    const page = await arrive(address);
    await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click();
    await expect(page.getByTestId('payment')).toContainText('not finished');
    const place = where === 'payment' ? page.getByTestId('payment') : page.locator('header');
    await place.getByRole('button', { name: 'Log in' }).click();
    await page.getByLabel('E-mail').fill(email);
    await page.getByLabel('Password').fill('a long password');
    await page.getByRole('dialog').getByRole('button', { name: 'Log in', exact: true }).click();
    await expect(ticket(page)).toHaveAttribute('data-status', 'CONFIRMED');
  }
});

test('a broken link back from the pay page says so, in words about the payment', async ({ arrive }) => {
  const page = await arrive('/?payment=nonsense&paymentKey=x&orderId=y&amount=1');
  await signUp(page);
  await expect(page.getByTestId('payment')).toContainText('payment');
  await expect(page.getByTestId('payment')).not.toContainText('password');
  await page.getByTestId('to-reservation').click();
  await expect(page.getByText('You have no reservations yet.')).toBeVisible();
});

test('the page waits for a server that is away on the way back', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Away Town', 4);
  const page = await arrive(`/#/matches/${match}`);
  await comeAsNewFan(page);
  await holdBest(page);
  await reserve(page);
  let isAway = true;
  await page.context().route('**/api/**', (route) => (isAway ? route.abort() : route.fallback()));
  isAway = false;
  await page.getByTestId('pay').click();
  await page.waitForURL('**/pay?**');
  isAway = true;
  await page.locator('button[formaction*="/pay/approve"]').click();
  await expect(page.getByTestId('payment')).toContainText('can’t be reached');
  isAway = false;
  await expect(ticket(page)).toHaveAttribute('data-status', 'CONFIRMED');
});

test('the links of the page lead away from a payment that has failed', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Link Town', 4);
  const page = await arrive(`/#/matches/${match}`);
  await comeAsNewFan(page);
  await holdBest(page);
  await reserve(page);
  await pay(page, 'refused');
  await expect(page.getByTestId('payment')).toContainText('The card was declined');
  await page.getByRole('link', { name: 'My tickets' }).click();
  await expect(page.locator('.match-card')).toContainText('Waiting for payment');
  // The address has no proof of a payment any more.
  expect(new URL(page.url()).search).toBe('');
  await page.goBack();
  await page.getByTestId('to-reservation').click();
  await expect(ticket(page)).toHaveAttribute('data-status', 'PENDING');
});

test('no link leads away from a payment while it is being confirmed', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Stay Town', 4);
  const page = await arrive(`/#/matches/${match}`);
  await comeAsNewFan(page);
  await holdBest(page);
  await reserve(page);
  let goOn = () => undefined as void;
  const asked = new Promise<void>((resolve) => (goOn = resolve));
  await page.route('**/api/payments/confirm', async (route) => {
    await asked;
    await route.fallback();
  });
  await pay(page, 'approve');
  await expect(page.getByTestId('payment')).toContainText('Confirming your payment');
  await page.getByRole('link', { name: 'My tickets' }).click();
  await expect(page.getByText('Please stay on this page')).toBeVisible();
  expect(new URL(page.url()).searchParams.has('paymentKey')).toBe(true);
  goOn();
  await expect(ticket(page)).toHaveAttribute('data-status', 'CONFIRMED');
});

interface Refusal {
  status: number;
  code: string;
}
/** What the first confirmations get, and the renewals after them. */
interface Refusals {
  confirm: Refusal[];
  renew?: Refusal[];
}
const UNAUTHORIZED = { status: 401, code: 'UNAUTHORIZED' };

async function payRefused(page: Page, { confirm, renew = [] }: Refusals): Promise<void> {
  let [confirmed, renewed] = [0, 0];
  const respond = (route: Route, refusal?: Refusal) =>
    refusal
      ? route.fulfill({ status: refusal.status, headers: { 'Retry-After': '1' }, json: refusal })
      : route.fallback();
  await page.route('**/api/payments/confirm', (route) => respond(route, confirm[confirmed++]));
  await page.route('**/api/users/refresh', (route) =>
    // The page that comes back restores its session first.
    respond(route, confirmed > 0 ? renew[renewed++] : undefined),
  );
  await pay(page, 'approve');
}

for (const [why, refusals] of Object.entries({
  'the server that renews the session is away': {
    confirm: [UNAUTHORIZED],
    renew: Array(4).fill({ status: 503, code: 'UNAVAILABLE' }),
  },
  'the session is renewed too often': {
    confirm: [UNAUTHORIZED],
    renew: Array(4).fill({ status: 429, code: 'RATE_LIMITED' }),
  },
  'a node does not know the newest tokens yet': { confirm: [UNAUTHORIZED, UNAUTHORIZED] },
  'the server has too many requests': { confirm: Array(4).fill({ status: 429, code: 'RATE_LIMITED' }) },
})) {
  test(`a payment goes on when ${why}`, async ({ arrive, server }) => {
    const match = await smallMatch(server.url, 'Renewal Town', 4);
    const page = await arrive(`/#/matches/${match}`);
    await comeAsNewFan(page);
    await holdBest(page);
    await reserve(page);
    await payRefused(page, refusals);
    await expect(ticket(page)).toHaveAttribute('data-status', 'CONFIRMED');
    await expect(page.getByRole('button', { name: 'Log out' })).toBeVisible();
  });
}

test('a payment goes on after a log-in when the session has ended', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Session Town', 4);
  const page = await arrive(`/#/matches/${match}`);
  const email = await comeAsNewFan(page);
  await holdBest(page);
  await reserve(page);
  await payRefused(page, { confirm: [UNAUTHORIZED], renew: [UNAUTHORIZED] });
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password').fill('a long password');
  await page.getByRole('dialog').getByRole('button', { name: 'Log in', exact: true }).click();
  await expect(ticket(page)).toHaveAttribute('data-status', 'CONFIRMED');
});

test('a fan who goes back from the pay page can pay again', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Back Town', 4);
  const page = await arrive(`/#/matches/${match}`);
  await comeAsNewFan(page);
  await holdBest(page);
  await reserve(page);
  await page.getByTestId('pay').click();
  await page.waitForURL('**/pay?**');
  await page.goBack();
  await expect(page.getByTestId('pay')).toBeEnabled();
  await pay(page, 'approve');
  await expect(ticket(page)).toHaveAttribute('data-status', 'CONFIRMED');
});

test('the page repeats a hold whose response was cut off', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Cut Town', 4);
  const page = await arrive(`/#/matches/${match}`);
  const email = await comeAsNewFan(page);
  await page.route('**/holds', async (route) => {
    if (route.request().method() !== 'POST') return route.fallback();
    // The server holds the seats, but its response never arrives, at any try.
    await route.fetch();
    await route.abort('connectionreset');
  });
  await page.getByTestId('best').click();
  await expect(page.getByTestId('held').locator('.lines li')).toHaveCount(2);
  await expect(page.getByText('You hold 2 seats.')).toBeVisible();
  await page.unroute('**/holds');

  // The same for a reservation.
  await page.route('**/api/reservations', async (route) => {
    if (route.request().method() !== 'POST') return route.fallback();
    await route.fetch();
    await route.abort('connectionreset');
  });
  await reserve(page);
  const phone = await Person.logIn(server.url, { email, password: 'a long password' });
  const { reservations } = await phone.call('GET', '/api/reservations');
  expect(reservations).toHaveLength(1);
});

test('the page waits for a key in flight, and shows no refusal', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Key Town', 4);
  const page = await arrive(`/#/matches/${match}`);
  await comeAsNewFan(page);
  let asked = 0;
  await page.route('**/holds', async (route) => {
    if (route.request().method() !== 'POST') return route.fallback();
    asked += 1;
    if (asked === 5) return route.fallback();
    const headers = { 'Retry-After': '1', 'Content-Type': 'application/problem+json' };
    const json = { status: 409, code: 'IDEMPOTENCY_KEY_IN_USE', detail: 'A call is under way.' };
    await route.fulfill({ status: 409, headers, json });
  });
  await page.getByTestId('best').click();
  await expect(page.getByTestId('held')).toBeVisible();
  await expect(page.getByText('still in progress')).toBeHidden();
});
