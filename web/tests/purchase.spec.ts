import { expect } from '@playwright/test';
import {
  comeAsNewFan,
  freeSeats,
  holdBest,
  logIn,
  openBlock,
  openMatch,
  pay,
  reserve,
  seatName,
  seatNamed,
  signUp,
  test,
  ticket,
} from './support/fan';

test('a fan buys two seats, finds the ticket, and cancels it', async ({ arrive }) => {
  const page = await arrive();
  await openMatch(page);
  // The fan is not logged in yet: the page asks for a log-in, and then continues with the hold.
  await page.getByTestId('best').click();
  await signUp(page);
  const held = page.getByTestId('held');
  await expect(held.locator('.lines li')).toHaveCount(2);
  await expect(held.getByTestId('countdown')).toHaveText(/^\d+:\d\d$/);

  await reserve(page);
  let confirmations = 0;
  page.on('request', (request) => {
    if (request.url().endsWith('/payments/confirm')) confirmations += 1;
  });
  await pay(page, 'approve');
  await expect(ticket(page)).toHaveAttribute('data-status', 'CONFIRMED');
  expect(confirmations).toBe(1);
  await expect(page.getByRole('img', { name: 'QR code' })).toHaveCount(2);
  await expect(page.locator('.ticket figcaption').first()).toHaveText(/seat \d+/i);
  await expect(ticket(page)).toContainText(/field \w+ \d+, row \w+, seat \d+/);
  expect(new URL(page.url()).search).toBe('');
  const number = await page.locator('.ticket .number').innerText();

  await page.getByRole('link', { name: 'My tickets' }).click();
  await page.locator('.match-card', { hasText: 'Confirmed' }).click();
  await expect(page.locator('.ticket .number')).toHaveText(number);

  await page.getByTestId('cancel').click();
  await page.getByTestId('cancel-yes').click();
  await expect(ticket(page)).toHaveAttribute('data-status', 'CANCELLED');
});

test('a declined card costs nothing, and another card may pay', async ({ arrive }) => {
  const page = await arrive();
  await comeAsNewFan(page);
  await openMatch(page);
  await holdBest(page);
  await reserve(page);

  await pay(page, 'refused');
  await expect(page.getByTestId('payment')).toContainText('The card was declined');
  await page.getByTestId('to-reservation').click();
  await expect(ticket(page)).toHaveAttribute('data-status', 'PENDING');

  await pay(page, 'abandon');
  await expect(page.getByTestId('payment')).toContainText('Nothing was charged');
  await page.getByTestId('to-reservation').click();

  await pay(page, 'approve');
  await expect(ticket(page)).toHaveAttribute('data-status', 'CONFIRMED');
});

test('a card that the card company refuses at once costs nothing', async ({ arrive }) => {
  const page = await arrive();
  await comeAsNewFan(page);
  await openMatch(page);
  await holdBest(page);
  await reserve(page);
  await pay(page, 'decline');
  await expect(page.getByTestId('payment')).toContainText('The payment was not completed');
  await page.getByTestId('to-reservation').click();
  await expect(page.getByTestId('pay')).toBeVisible();
});

test('the page waits for an unknown outcome', async ({ arrive }) => {
  const page = await arrive();
  await comeAsNewFan(page);
  await openMatch(page);
  await holdBest(page);
  await reserve(page);
  await page.getByTestId('pay').click();
  await page.waitForURL('**/pay?**');
  // The gateway takes the money, and its response is lost.
  const fault = { call: 'confirm', kind: 'dropAfter', count: 1 };
  await page.request.post(new URL('/_emulator/faults', page.url()).href, { data: fault });
  await page.locator('button[formaction*="/pay/approve"]').click();
  await expect(page.getByTestId('payment')).toContainText('do not pay again');
  await expect(ticket(page)).toHaveAttribute('data-status', 'CONFIRMED');
});

test('paused payments are shown as paused, and tried again', async ({ arrive }) => {
  const page = await arrive();
  await comeAsNewFan(page);
  await openMatch(page);
  await holdBest(page);
  await reserve(page);
  // This response is made up, because the server sends it only while its database is away.
  let asked = 0;
  await page.context().route('**/api/payments/confirm', async (route) => {
    asked += 1;
    if (asked > 1) return route.fallback();
    const headers = { 'Retry-After': '2', 'Content-Type': 'application/problem+json' };
    await route.fulfill({ status: 503, headers, json: { code: 'PAYMENTS_PAUSED', detail: '' } });
  });
  await pay(page, 'approve');
  await expect(page.getByTestId('payment')).toContainText('Payments are paused');
  await expect(ticket(page)).toHaveAttribute('data-status', 'CONFIRMED');
});

test('a hold is there after a reload and on another device, and can be released there', async ({
  arrive,
}) => {
  const desk = await arrive();
  const email = await comeAsNewFan(desk);
  await openMatch(desk);
  await holdBest(desk);
  await desk.reload();
  await expect(desk.getByTestId('held').locator('.lines li')).toHaveCount(2);

  const phone = await arrive();
  await logIn(phone, email);
  await openMatch(phone);
  await expect(phone.getByTestId('held').locator('.lines li')).toHaveCount(2);
  await phone.getByTestId('give-back').click();
  await expect(desk.getByTestId('held')).toBeHidden();
});

test('a fan who loses the race gets other seats with one click', async ({ arrive }) => {
  const [ann, ben] = [await arrive(), await arrive()];
  for (const page of [ann, ben]) {
    await comeAsNewFan(page);
    await openMatch(page);
    await openBlock(page);
  }
  const name = await seatName(freeSeats(ann).last());
  await seatNamed(ann, name).click();
  await seatNamed(ben, name).click();
  // Ben's call is sent only after Ann has the seat.
  let asked: () => void;
  const benAsked = new Promise<void>((resolve) => (asked = resolve));
  await ben.route('**/holds', async (route) => {
    if (route.request().method() !== 'POST') return route.fallback();
    asked();
    await expect(ann.getByTestId('held')).toBeVisible();
    await route.continue();
  });
  await ben.getByTestId('hold').click();
  await benAsked;
  await ann.getByTestId('hold').click();

  await expect(ben.getByText('Someone else was faster')).toBeVisible();
  await ben.unroute('**/holds');
  await ben.locator('.alternative').first().click();
  await expect(ben.getByTestId('held')).toBeVisible();
});

test('an expired access token is renewed unnoticed', async ({ arrive }) => {
  const page = await arrive();
  await comeAsNewFan(page);
  let refused = 0;
  await page.route('**/api/reservations', async (route) => {
    refused += 1;
    if (refused > 1) return route.fallback();
    await route.fulfill({ status: 401, json: { status: 401, code: 'UNAUTHORIZED', detail: '' } });
  });
  const renewed = page.waitForResponse('**/api/users/refresh');
  await page.getByRole('link', { name: 'My tickets' }).click();
  expect((await renewed).status()).toBe(200);
  await expect(page.getByText('You have no reservations yet.')).toBeVisible();
});
