// A house with floors, rows with runs, units, a dance floor and places for wheelchairs, bought on the
// page.

import { expect, type Page } from '@playwright/test';
import {
  comeAsNewFan,
  live,
  pay,
  reserve,
  showList,
  test,
  ticket,
} from './support/fan';
import { DANCE_FLOOR_PLACES, hallMatch } from './support/hall';
import { spotOf } from './support/map';
import { PASSWORD, Person } from './support/backstage';

const PHONE = { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true };
/** What the ground floor of the hall has: from the image to the table, from the stage to the stalls. */
const GROUND = { left: -12, top: -4, right: 13, bottom: 15 };

const choice = (page: Page) => page.getByRole('region', { name: 'Your choice' });
const seats = (page: Page) => page.locator('.list-seat');
const seat = (page: Page, name: string) => page.locator(`.list-seat[aria-label^="${name}, "]`);

async function arriveAt(page: Page, url: string, match: string): Promise<void> {
  await page.goto(`${url}/#/matches/${match}`);
  await expect(live(page)).toHaveText('Live');
}

async function clickMap(page: Page, point: readonly [number, number]): Promise<void> {
  const { x, y } = await spotOf(page, GROUND, point);
  await page.mouse.click(x, y);
}

async function openBlock(page: Page, name: string): Promise<void> {
  await page.locator('.list-block', { hasText: name }).click();
}

test('a row has several runs, numbers that turn, names with letters, and may have no name', async ({ arrive, server }) => {
  const match = await hallMatch(server.url, 'Row Town');
  const page = await arrive('about:blank');
  await arriveAt(page, server.url, match);
  await showList(page);
  await openBlock(page, 'Block A');
  const row = (name: string) => page.getByRole('group', { name, exact: true });
  await expect(row('Row 1').locator('.list-seat')).toHaveText(['7', '5', '3', '1', '2', '4', '6', '8']);
  await expect(row('Row 1').locator('.list-aisle')).toHaveCount(0);
  await expect(row('Row 2').locator('.list-aisle')).toHaveCount(1);
  await expect(row('Row 3').locator('.list-seat')).toHaveText(['D1', 'D2', '1_DA', '가3']);
  await expect(row('Row without a name').locator('.list-seat')).toHaveCount(4);

  await comeAsNewFan(page);
  await seat(page, 'House Front A, row 3, seat 1_DA').click();
  await seat(page, 'House Front A, row 1, seat 1').click();
  await seat(page, 'House Front A, row 1, seat 2').click();
  await page.getByTestId('hold').click();
  const held = page.getByTestId('held');
  await expect(held).toContainText('House Front A, row 3, seat 1_DA');
  await reserve(page);
  await pay(page, 'approve');
  await expect(ticket(page)).toHaveAttribute('data-status', 'CONFIRMED');
  await expect(ticket(page)).toContainText('House Front A, row 1, seat 2');
});

test('a click on a couple seat or a table chooses all of its seats, and the panel says so', async ({ arrive, server }) => {
  const match = await hallMatch(server.url, 'Unit Town');
  const page = await arrive('about:blank');
  await arriveAt(page, server.url, match);
  await clickMap(page, [-3, 11.5]);
  await expect(choice(page).getByRole('group', { name: '2 seats, sold only together' })).toContainText('seat 2');
  await expect(choice(page)).toContainText('₩100,000');
  // A table with four seats is more than the two seats that the fan may still choose.
  await clickMap(page, [10.5, 7]);
  await expect(page.getByText('You can choose up to 4 seats at a time.')).toBeVisible();
  await choice(page).getByRole('button', { name: 'Remove these 2 seats' }).click();
  await clickMap(page, [12, 8.5]);
  await expect(choice(page).getByRole('group', { name: '4 seats, sold only together' })).toContainText('row T1, seat 4');
  await comeAsNewFan(page);
  await page.getByTestId('hold').click();
  await expect(page.getByTestId('held').locator('.lines li')).toHaveCount(4);
  await reserve(page);
  await pay(page, 'approve');
  await expect(ticket(page)).toHaveAttribute('data-status', 'CONFIRMED');

  // Half of a couple seat can't be chosen.
  const other = await Person.signUp(server.url);
  await other.call('POST', `/api/matches/${match}/holds`, { seatIds: [1401, 1402] });
  await arriveAt(page, server.url, match);
  await showList(page);
  await openBlock(page, 'Block A');
  await expect(seat(page, 'House Front A, seat 1')).toHaveClass(/seat-hold/);
  await expect(seat(page, 'House Front A, seat 2')).toHaveClass(/seat-hold/);
});

test('places for wheelchairs and seats with a restricted view are marked before one buys', async ({ arrive, server }) => {
  const match = await hallMatch(server.url, 'Ramp Town');
  const page = await arrive('about:blank');
  await arriveAt(page, server.url, match);
  for (const name of ['Wheelchair place', 'Companion seat', 'Restricted view']) {
    await expect(page.locator('.legend')).toContainText(name);
  }
  await clickMap(page, [-3.5, 7]);
  await expect(choice(page)).toContainText('Restricted view');
  await expect(choice(page)).toContainText('can’t be seen from here');
  await showList(page);
  await openBlock(page, 'Block A');
  await expect(seat(page, 'House Front A, row W, seat 1')).toHaveAttribute('aria-label', /Wheelchair place, Available$/);
  await expect(seat(page, 'House Front A, row W, seat 2')).toHaveAttribute('aria-label', /Companion seat, Available$/);
  await expect(seat(page, 'House Front A, row 1, seat 8')).toHaveAttribute('aria-label', /Restricted view/);

  await comeAsNewFan(page);
  await choice(page).getByRole('button', { name: /^Remove/ }).click();
  await page.getByRole('button', { name: 'One seat more: Wheelchair places' }).click();
  await page.getByTestId('best').click();
  const held = page.getByTestId('held');
  await expect(held.locator('.lines li')).toHaveCount(2);
  await expect(held).toContainText('row W');
});

test('places of a dance floor are held by their number, and the map shows how many are left', async ({ arrive, server }) => {
  const match = await hallMatch(server.url, 'Dance Town');
  const page = await arrive('about:blank');
  await arriveAt(page, server.url, match);
  await comeAsNewFan(page);
  await clickMap(page, [0, 3]);
  const area = choice(page).getByRole('group', { name: 'Floor Dance floor' });
  await expect(area).toContainText(`${DANCE_FLOOR_PLACES} places left`);
  await area.getByRole('button', { name: 'One place more' }).click();
  await expect(area.getByRole('status')).toHaveText('2');
  await clickMap(page, [-3.5, 7]);
  const asked = page.waitForRequest('**/holds');
  await page.getByTestId('hold').click();
  expect((await asked).postDataJSON()).toEqual({ seats: [{ seatId: 1101 }], areas: [{ areaId: 2, blockId: 31, quantity: 2 }] });
  const held = page.getByTestId('held');
  await expect(held.locator('.lines li')).toHaveText([/row 1, seat 7/, /Dance floor × 2/]);

  // Everybody else sees it at once.
  const other = await arrive('about:blank');
  await arriveAt(other, server.url, match);
  await showList(other);
  await expect(other.locator('.list-block', { hasText: 'Dance floor' })).toContainText(
    `${DANCE_FLOOR_PLACES - 2} places left`,
  );
  await reserve(page);
  await pay(page, 'approve');
  await expect(ticket(page)).toHaveAttribute('data-status', 'CONFIRMED');
  await expect(ticket(page)).toContainText('Dance floor × 2');
});

/** Others hold places of the dance floor, until so many are left. */
async function leavePlaces(url: string, match: string, left: number): Promise<void> {
  const holds = `/api/matches/${match}/holds`;
  for (let rest = DANCE_FLOOR_PLACES - left; rest > 0; ) {
    const other = await Person.signUp(url);
    const { maxSeatsPerUser } = await other.call('GET', `/api/matches/${match}`);
    const quantity = Math.min(rest, maxSeatsPerUser);
    await other.call('POST', holds, { areas: [{ areaId: 2, quantity }] });
    rest -= quantity;
  }
}

test('the fan is told when others take chosen places of a dance floor', async ({ arrive, server }) => {
  const match = await hallMatch(server.url, 'Rush Town');
  const page = await arrive('about:blank');
  await arriveAt(page, server.url, match);
  const email = await comeAsNewFan(page);
  await showList(page);
  await openBlock(page, 'Dance floor');
  const area = choice(page).getByRole('group', { name: 'Floor Dance floor' });
  await area.getByRole('button', { name: 'One place more' }).click();
  await expect(area.getByRole('status')).toHaveText('2');
  await leavePlaces(server.url, match, 1);
  await expect(area.getByRole('status')).toHaveText('1');
  const someoneElse = page.getByText('Someone else took 1 seat that you chose');
  await expect(someoneElse).toBeVisible();
  await page.locator('.notice', { has: someoneElse }).getByRole('button', { name: 'Close' }).click();

  // What the fan takes on another device is not somebody else's.
  const phone = await Person.logIn(server.url, { email, password: PASSWORD });
  await phone.call('POST', `/api/matches/${match}/holds`, { areas: [{ areaId: 2, quantity: 1 }] });
  await expect(page.getByText('You already hold this seat')).toBeVisible();
  expect(await someoneElse.count()).toBe(0);
  await expect(page.getByTestId('held')).toContainText('Dance floor');
});

test('floors are tabs, which the keyboard reaches and the address remembers', async ({ arrive, server }) => {
  const match = await hallMatch(server.url, 'Stair Town');
  const page = await arrive('about:blank');
  await arriveAt(page, server.url, match);
  const tab = (name: string) => page.getByRole('tab', { name });
  await expect(tab('Ground floor')).toHaveAttribute('aria-selected', 'true');
  await tab('Ground floor').focus();
  await page.keyboard.press('ArrowRight');
  await expect(tab('Balcony')).toBeFocused();
  await expect(tab('Balcony')).toHaveAttribute('aria-selected', 'true');
  await expect(page.locator('.map-here')).toContainText('Upper Block B');
  await page.reload();
  await expect(tab('Balcony')).toHaveAttribute('aria-selected', 'true');
  await showList(page);
  await expect(page.locator('.list-block')).toHaveText([/Block B/]);
  await tab('Ground floor').click();
  await expect(page.locator('.list-block')).toHaveCount(3);
  // The way back leads out of the match, not through its floors.
  expect(page.url()).toMatch(/\/floors\/1$/);

  // The map goes to the floor on which the seats are.
  await page.getByRole('button', { name: 'Map', exact: true }).click();
  await comeAsNewFan(page);
  await page.getByLabel('Section').selectOption({ label: 'Upper' });
  await page.getByTestId('best').click();
  await expect(page.getByTestId('held')).toContainText('seat 104');
  await expect(tab('Balcony')).toHaveAttribute('aria-selected', 'true');
});

test('nothing of the hall is wider than a phone, and a finger opens the dance floor', async ({ arrive, server }) => {
  const match = await hallMatch(server.url, 'Small Town');
  const page = await arrive('about:blank', { ...PHONE, viewport: { width: 320, height: 640 } });
  await arriveAt(page, server.url, match);
  const { x, y } = await spotOf(page, GROUND, [0, 3]);
  await page.touchscreen.tap(x, y);
  await expect(choice(page)).toContainText('Dance floor');
  const width = () => page.evaluate(() => document.documentElement.scrollWidth);
  expect(await width()).toBe(320);
  await showList(page);
  await openBlock(page, 'Block A');
  await expect(seats(page).first()).toBeVisible();
  expect(await width()).toBe(320);
});
