// A fan's holds and reservations are the same on every device, whatever a single response says.

import { expect, type Page } from '@playwright/test';
import { Person, smallMatch } from './support/backstage';
import { comeAsNewFan, pay, reserve, showList, test, ticket } from './support/fan';

const PASSWORD = 'a long password';

/** A fan at a small match, in the list of seats, and the same fan on another device. */
async function twoDevices(
  arrive: (url?: string) => Promise<Page>,
  url: string,
  name: string,
): Promise<{ match: string; page: Page; phone: Person }> {
  const match = await smallMatch(url, name, 8);
  const page = await arrive(`/#/matches/${match}`);
  const email = await comeAsNewFan(page);
  await showList(page);
  await page.locator('.list-block').first().click();
  return { match, page, phone: await Person.logIn(url, { email, password: PASSWORD }) };
}

const seat = (page: Page, number: number) =>
  page.locator('.list-seat').filter({ hasText: new RegExp(`^${number}$`) });
const someoneElse = (page: Page) => page.getByText(/Someone else (took|was faster)/);

test('a seat held on another device of the fan is not shown as somebody else’s', async ({ arrive, server }) => {
  const { match, page, phone } = await twoDevices(arrive, server.url, 'Twin Town');
  await seat(page, 2).click();
  await phone.call('POST', `/api/matches/${match}/holds`, { seatIds: [2] });
  await expect(page.getByTestId('held').locator('.lines li')).toHaveCount(1);
  await expect(page.getByText('You already hold')).toBeVisible();
  expect(await someoneElse(page).count()).toBe(0);
  await expect(seat(page, 2)).toHaveClass(/seat-mine/);
});

test('a fan who asks for seats of their own is led to them', async ({ arrive, server }) => {
  const { match, page, phone } = await twoDevices(arrive, server.url, 'Same Town');
  await seat(page, 3).click();
  await page.route('**/holds', async (route) => {
    if (route.request().method() === 'POST') {
      await phone.call('POST', `/api/matches/${match}/holds`, { seatIds: [3] });
    }
    await route.continue();
  });
  await page.getByTestId('hold').click();
  await expect(page.getByText('You already hold')).toBeVisible();
  await expect(page.getByTestId('held').locator('.lines li')).toHaveCount(1);
  expect(await someoneElse(page).count()).toBe(0);
});

test('holds of two devices are paid together', async ({ arrive, server }) => {
  const { match, page, phone } = await twoDevices(arrive, server.url, 'Both Town');
  await phone.call('POST', `/api/matches/${match}/holds`, { seatIds: [1] });
  await seat(page, 4).click();
  await page.getByTestId('hold').click();
  await expect(page.getByTestId('held').locator('.lines li')).toHaveCount(2);
  await reserve(page);
  await expect(ticket(page)).toContainText('seat 1');
  await expect(ticket(page)).toContainText('seat 4');
});

test('an open reservation leads back to paying, from the match and from the list', async ({
  arrive,
  server,
}) => {
  const { match, page, phone } = await twoDevices(arrive, server.url, 'Open Town');
  await phone.call('POST', `/api/matches/${match}/holds`, { seatIds: [5] });
  await phone.call('POST', '/api/reservations', { matchId: match, seatIds: [5] });
  await page.reload();
  await page.getByTestId('go-on').click();
  await expect(ticket(page)).toHaveAttribute('data-status', 'PENDING');
  await page.getByRole('link', { name: 'My tickets' }).click();
  await expect(page.getByTestId('go-on')).toHaveText('Continue to payment');
  await page.getByTestId('go-on').click();
  await pay(page, 'approve');
  await expect(ticket(page)).toHaveAttribute('data-status', 'CONFIRMED');
});

test('a hold that another device turns into a reservation leads to it', async ({ arrive, server }) => {
  const { match, page, phone } = await twoDevices(arrive, server.url, 'Turned Town');
  await seat(page, 6).click();
  await page.getByTestId('hold').click();
  await expect(page.getByTestId('held')).toBeVisible();
  await phone.call('POST', '/api/reservations', { matchId: match, seatIds: [6] });
  await expect(page.getByTestId('held')).toBeHidden();
  await expect(page.getByTestId('go-on')).toBeVisible();
  expect(await someoneElse(page).count()).toBe(0);
});

test('the code of a ticket that was cancelled elsewhere disappears', async ({ arrive, server }) => {
  const { page, phone } = await twoDevices(arrive, server.url, 'Gone Town');
  await seat(page, 7).click();
  await page.getByTestId('hold').click();
  await reserve(page);
  await pay(page, 'approve');
  const code = page.getByRole('img', { name: 'QR code' });
  await expect(code).toBeVisible();
  const id = page.url().split('/').pop();
  await phone.call('POST', `/api/reservations/${id}/cancel`);
  await expect(code).toBeHidden({ timeout: 12_000 });
  await expect(ticket(page)).toHaveAttribute('data-status', 'CANCELLED');
});

test('an open list of tickets follows changes on other devices', async ({
  arrive,
  server,
}) => {
  const { match, page, phone } = await twoDevices(arrive, server.url, 'List Town');
  await page.getByRole('link', { name: 'My tickets' }).click();
  await expect(page.getByText('You have no reservations yet.')).toBeVisible();
  await phone.call('POST', `/api/matches/${match}/holds`, { seatIds: [8] });
  await phone.call('POST', '/api/reservations', { matchId: match, seatIds: [8] });
  await expect(page.getByTestId('go-on')).toBeVisible();
});
