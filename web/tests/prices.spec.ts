// Prices per match: kinds of buyers, the service fee, and what the fan pays for each seat.

import { expect, type Page } from '@playwright/test';
import { Person } from './support/backstage';
import { comeAsNewFan, live, pay, reserve, showList, test, ticket } from './support/fan';
import { hallMatch } from './support/hall';

const PRICES = {
  types: [
    { code: 'ADULT', name: { ko: '어른', en: 'Adult' } },
    { code: 'CHILD', name: { ko: '어린이', en: 'Child' }, limit: 2 },
  ],
  prices: [
    { grade: 'STALL', type: 'ADULT', price: 30_000 },
    { grade: 'STALL', type: 'CHILD', price: 12_000 },
    { grade: 'BOX', type: 'ADULT', price: 50_000 },
    { grade: 'STAND', type: 'ADULT', price: 9_000 },
    { grade: 'STAND', type: 'CHILD', price: 0 },
  ],
  serviceFee: 1_000,
};

const choice = (page: Page) => page.getByRole('region', { name: 'Your choice' });
const seat = (page: Page, name: string) => page.locator(`.list-seat[aria-label^="${name}, "]`);

/** The next request to hold something; the page also reads its holds from the same path. */
const askedToHold = (page: Page) =>
  page.waitForRequest((request) => request.method() === 'POST' && request.url().endsWith('/holds'));

async function openList(page: Page, url: string, match: string): Promise<void> {
  await page.goto(`${url}/#/matches/${match}`);
  await expect(live(page)).toHaveText('Live');
  await showList(page);
}

/** Somebody else holds a seat just before the fan asks for it. */
async function loseToOther(page: Page, url: string, match: string, seatId: number): Promise<void> {
  const other = await Person.signUp(url);
  await page.route('**/holds', async (route) => {
    if (route.request().method() === 'POST') {
      await other.call('POST', `/api/matches/${match}/holds`, { seatIds: [seatId] }).catch(() => undefined);
    }
    await route.continue();
  });
}

test('a fan chooses who sits on each seat, and sees the same prices up to the ticket', async ({ arrive, server }) => {
  const match = await hallMatch(server.url, 'Price Town', PRICES);
  const page = await arrive('about:blank');
  await openList(page, server.url, match);
  await comeAsNewFan(page);
  await expect(page.locator('.list-block', { hasText: 'Block A' })).toContainText('from ₩12,000');
  await page.locator('.list-block', { hasText: 'Block A' }).click();
  await seat(page, 'House Front A, row 1, seat 1').click();
  await seat(page, 'House Front A, row 1, seat 2').click();
  const types = choice(page).getByRole('combobox', { name: /^Ticket type for House Front A, row 1, seat 2/ });
  await expect(choice(page).locator('.total')).toContainText('₩62,000');
  await types.selectOption('CHILD');
  await expect(choice(page).locator('.fee')).toContainText('₩2,000');
  await expect(choice(page).locator('.total')).toContainText('₩44,000');

  const asked = askedToHold(page);
  await page.getByTestId('hold').click();
  expect((await asked).postDataJSON()).toEqual({
    seats: [{ seatId: 1104, type: 'ADULT' }, { seatId: 1105, type: 'CHILD' }],
    areas: [],
  });
  const held = page.getByTestId('held');
  await expect(held.locator('.lines li')).toHaveText([/seat 1Adult₩30,000/, /seat 2Child₩12,000/, /Service fee₩2,000/]);
  await expect(held.locator('.total')).toContainText('₩44,000');
  await reserve(page);
  await expect(ticket(page)).toContainText('Child · ₩12,000');
  await pay(page, 'approve');
  await expect(ticket(page)).toHaveAttribute('data-status', 'CONFIRMED');
  await expect(ticket(page)).toContainText('Adult · ₩30,000');
  await expect(ticket(page)).toContainText('with a service fee of ₩2,000');
  await page.getByRole('button', { name: 'Read in Korean' }).click();
  await expect(ticket(page)).toContainText('어린이 · 12,000원');
});

test('seats of the first type are held in the short form', async ({ arrive, server }) => {
  const match = await hallMatch(server.url, 'Plain Town', PRICES);
  const page = await arrive('about:blank');
  await openList(page, server.url, match);
  await comeAsNewFan(page);
  await page.locator('.list-block', { hasText: 'Block A' }).click();
  await seat(page, 'House Front A, row 2, seat 1').click();
  const asked = askedToHold(page);
  await page.getByTestId('hold').click();
  expect((await asked).postDataJSON()).toEqual({ seatIds: [1201] });
  await expect(page.getByTestId('held').locator('.total')).toContainText('₩31,000');
});

test('a dance floor has a number for each kind of buyer, and a type has a limit', async ({ arrive, server }) => {
  const match = await hallMatch(server.url, 'Limit Town', PRICES);
  const page = await arrive('about:blank');
  await openList(page, server.url, match);
  await comeAsNewFan(page);
  await page.locator('.list-block', { hasText: 'Dance floor' }).click();
  const more = choice(page).getByRole('button', { name: 'One place more: Floor Dance floor, Child' });
  for (let click = 0; click < 3; click += 1) await more.click();
  await expect(choice(page).getByRole('alert')).toContainText('at most 2 of the type “Child”');
  await expect(page.getByTestId('hold')).toBeDisabled();
  await expect(more).toBeDisabled();
  await choice(page).getByRole('button', { name: 'One place fewer: Floor Dance floor, Child' }).click();
  await expect(choice(page).locator('.total')).toContainText('₩12,000');
  await page.getByTestId('hold').click();
  const held = page.getByTestId('held');
  await expect(held.locator('.lines li')).toHaveText([/Dance floorAdult₩9,000/, /Dance floor × 2Child₩0/, /Service fee₩3,000/]);
  await reserve(page);
  await pay(page, 'approve');
  await expect(ticket(page)).toHaveAttribute('data-status', 'CONFIRMED');
});

test('the best seats are searched for adults and children', async ({ arrive, server }) => {
  const match = await hallMatch(server.url, 'Family Town', PRICES);
  const page = await arrive('about:blank');
  await openList(page, server.url, match);
  await comeAsNewFan(page);
  await page.getByRole('button', { name: 'One seat more: Child' }).click();
  const asked = askedToHold(page);
  await page.getByTestId('best').click();
  const { bestAvailable } = (await asked).postDataJSON();
  expect(bestAvailable).toMatchObject({ count: 3, types: { ADULT: 2, CHILD: 1 } });
  const held = page.getByTestId('held');
  await expect(held.locator('.lines li', { hasText: 'Child' })).toHaveCount(1);
  await expect(held.locator('.lines li', { hasText: 'Adult' })).toHaveCount(2);
  await expect(held.locator('.total')).toContainText('₩75,000');
});

test('a new list of prices is on the page, and what is held keeps its price', async ({ arrive, server }) => {
  const match = await hallMatch(server.url, 'Change Town', PRICES);
  const page = await arrive('about:blank');
  await openList(page, server.url, match);
  await comeAsNewFan(page);
  await page.getByLabel('Grade', { exact: true }).selectOption({ index: 1 });
  await page.getByTestId('best').click();
  await expect(page.getByTestId('held').locator('.total')).toContainText('₩62,000');
  const prices = PRICES.prices.map((line) => ({ ...line, price: line.price * 2 }));
  const admin = await Person.admin(server.url);
  await admin.call('PUT', `/api/admin/matches/${match}/prices`, { ...PRICES, prices });
  await expect(page.locator('.list-block', { hasText: 'Block A' })).toContainText('from ₩24,000');
  await page.reload();
  await expect(page.getByTestId('held').locator('.total')).toContainText('₩62,000');
});

test('a list of prices that comes late does not replace the next list', async ({ arrive, server }) => {
  const match = await hallMatch(server.url, 'Late Town', PRICES);
  const page = await arrive('about:blank');
  await openList(page, server.url, match);
  const from = page.locator('.list-block', { hasText: 'Block A' });
  await expect(from).toContainText('from ₩12,000');
  let [asked, send] = [0, () => undefined as void];
  const wanted = new Promise<void>((resolve) => (send = resolve));
  await page.route('**/prices', async (route) => {
    asked += 1;
    if (asked > 1) return route.fallback();
    const response = await route.fetch();
    await wanted;
    await route.fulfill({ response });
  });
  const admin = await Person.admin(server.url);
  const times = (factor: number) => {
    const prices = PRICES.prices.map((line) => ({ ...line, price: line.price * factor }));
    return admin.call('PUT', `/api/admin/matches/${match}/prices`, { ...PRICES, prices });
  };
  await times(2);
  await expect.poll(() => asked).toBe(1);
  await times(3);
  await expect(from).toContainText('from ₩36,000');
  const late = page.waitForResponse('**/prices');
  send();
  await (await late).finished();
  await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
  await expect(from).toContainText('from ₩36,000');
});

test('a lost seat is offered again for the same kind of buyer', async ({ arrive, server }) => {
  const match = await hallMatch(server.url, 'Offer Town', PRICES);
  const page = await arrive('about:blank');
  await openList(page, server.url, match);
  await comeAsNewFan(page);
  await page.locator('.list-block', { hasText: 'Block A' }).click();
  await seat(page, 'House Front A, row 2, seat 1').click();
  await choice(page).getByRole('combobox', { name: /row 2, seat 1/ }).selectOption('CHILD');
  await loseToOther(page, server.url, match, 1201);
  await page.getByTestId('hold').click();
  await expect(page.getByText('Would you like these seats instead?')).toBeVisible();
  const asked = askedToHold(page);
  await page.locator('.alternative').first().click();
  expect((await asked).postDataJSON().seats).toEqual([{ seatId: expect.any(Number), type: 'CHILD' }]);
  await expect(page.getByTestId('held')).toContainText('Child');
});

test('an offer keeps the type of each seat, and the places of the dance floor', async ({ arrive, server }) => {
  const match = await hallMatch(server.url, 'Whole Town', PRICES);
  const page = await arrive('about:blank');
  await openList(page, server.url, match);
  await comeAsNewFan(page);
  await page.locator('.list-block', { hasText: 'Dance floor' }).click();
  await page.locator('.list-block', { hasText: 'Block A' }).click();
  for (const number of [1, 2, 3]) await seat(page, `House Front A, row 2, seat ${number}`).click();
  for (const number of [2, 3]) {
    await choice(page).getByRole('combobox', { name: new RegExp(`row 2, seat ${number}`) }).selectOption('CHILD');
  }
  await loseToOther(page, server.url, match, 1203);
  await page.getByTestId('hold').click();
  const offer = page.locator('.alternative').first();
  await expect(offer).toContainText('₩57,000');
  const asked = askedToHold(page);
  await offer.click();
  const seatId = expect.any(Number);
  expect((await asked).postDataJSON()).toEqual({
    seats: [{ seatId, type: 'ADULT' }, { seatId, type: 'CHILD' }, { seatId, type: 'CHILD' }],
    areas: [{ areaId: 2, blockId: 31, quantity: 1, type: 'ADULT' }],
  });
  await expect(page.getByTestId('held')).toContainText('Dance floor');
  await expect(page.getByTestId('held').locator('.total')).toContainText('₩67,000');
});

test('offers at the prices of an earlier list are not offered any more', async ({ arrive, server }) => {
  const match = await hallMatch(server.url, 'Stale Town', PRICES);
  const page = await arrive('about:blank');
  await openList(page, server.url, match);
  await comeAsNewFan(page);
  await page.locator('.list-block', { hasText: 'Block A' }).click();
  await seat(page, 'House Front A, row 2, seat 1').click();
  await loseToOther(page, server.url, match, 1201);
  await page.getByTestId('hold').click();
  await expect(page.locator('.alternative').first()).toContainText('₩31,000');
  const admin = await Person.admin(server.url);
  // A new version of the match with the same prices changes nothing.
  await admin.call('PATCH', `/api/admin/matches/${match}`, { homeTeam: 'Renamed Town' });
  await expect(page.getByText('Renamed Town')).toBeVisible();
  await expect(page.locator('.alternative').first()).toBeVisible();
  const prices = PRICES.prices.map((line) => ({ ...line, price: line.price * 2 }));
  await admin.call('PUT', `/api/admin/matches/${match}/prices`, { ...PRICES, prices });
  await expect(page.locator('.alternative')).toHaveCount(0);
});

/** The list without children, and with older people instead. */
const WITHOUT_CHILDREN = {
  ...PRICES,
  types: [PRICES.types[0], { code: 'SENIOR', name: { ko: '경로', en: 'Senior' } }],
  prices: PRICES.prices.map((line) => (line.type === 'CHILD' ? { ...line, type: 'SENIOR' } : line)),
};

test('a type that leaves the list leaves the search for the best seats', async ({ arrive, server }) => {
  const match = await hallMatch(server.url, 'Best Town', PRICES);
  const page = await arrive('about:blank');
  await openList(page, server.url, match);
  await comeAsNewFan(page);
  await page.getByRole('button', { name: 'One seat more: Child' }).click();
  const admin = await Person.admin(server.url);
  await admin.call('PUT', `/api/admin/matches/${match}/prices`, WITHOUT_CHILDREN);
  await expect(page.getByRole('button', { name: 'One seat more: Senior' })).toBeVisible();
  const asked = askedToHold(page);
  await page.getByTestId('best').click();
  const { bestAvailable } = (await asked).postDataJSON();
  expect(bestAvailable).toMatchObject({ count: 2, types: { ADULT: 2 } });
  expect(bestAvailable.types).toEqual({ ADULT: 2 });
  await expect(page.getByTestId('held').locator('.total')).toContainText('₩');
});

test('the search has seats for the first type of a list that has no earlier type', async ({ arrive, server }) => {
  const match = await hallMatch(server.url, 'New Town', PRICES);
  const page = await arrive('about:blank');
  await openList(page, server.url, match);
  const renamed = JSON.parse(JSON.stringify(PRICES).replaceAll('ADULT', 'GROWN').replaceAll('CHILD', 'YOUNG'));
  renamed.types[0].name.en = 'Grown-up';
  const admin = await Person.admin(server.url);
  await admin.call('PUT', `/api/admin/matches/${match}/prices`, renamed);
  await expect(page.getByRole('group', { name: 'How many: Grown-up' }).getByRole('status')).toHaveText('2');
});

test('places for a type that leaves the list are for the first type, as seats are', async ({ arrive, server }) => {
  const match = await hallMatch(server.url, 'Place Town', PRICES);
  const page = await arrive('about:blank');
  await openList(page, server.url, match);
  await comeAsNewFan(page);
  await page.locator('.list-block', { hasText: 'Dance floor' }).click();
  await choice(page).getByRole('button', { name: 'One place more: Floor Dance floor, Child' }).click();
  const admin = await Person.admin(server.url);
  await admin.call('PUT', `/api/admin/matches/${match}/prices`, WITHOUT_CHILDREN);
  await expect(choice(page).getByRole('group', { name: 'How many places? Adult' }).getByRole('status')).toHaveText('2');
  await expect(choice(page).locator('.total')).toContainText('₩20,000');
  const asked = askedToHold(page);
  await page.getByTestId('hold').click();
  expect((await asked).postDataJSON()).toEqual({ areas: [{ areaId: 2, blockId: 31, quantity: 2, type: 'ADULT' }] });
  await expect(page.getByTestId('held')).toContainText('Dance floor × 2');
});
