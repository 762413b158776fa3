// What the waiting room shows in each of its states. The room is a double (support/room.ts), because a
// real one reaches some of these states only with many people, or after a fault.

import { createHash } from 'node:crypto';
import { expect, type Page } from '@playwright/test';
import { smallMatch } from './support/backstage';
import { comeAsNewFan, test } from './support/fan';
import { Room } from './support/room';

const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();
const HOUR_MS = 3_600_000;
const QUEUE = { enabled: true, maxActive: 100 };

interface Scene {
  page: Page;
  room: Room;
}

type Arrive = (url?: string) => Promise<Page>;

/** A fan with an account in front of a waiting room that the test controls. */
async function scene(arrive: Arrive, url: string, name: string): Promise<Scene> {
  const match = await smallMatch(url, name, 8);
  const page = await arrive();
  await comeAsNewFan(page);
  const room = await Room.at(page, url, match);
  await room.setMatch({ queue: QUEUE });
  return { page, room };
}

/** The same with a place in the line. */
async function waiting(arrive: Arrive, url: string, name: string): Promise<Scene> {
  const all = await scene(arrive, url, name);
  all.room.setPlace({ ticket: 500, number: 500, ahead: 499 });
  await all.room.setLine({ waiting: 1000, eta: { p50Seconds: 1200, p90Seconds: 1800 } });
  await all.room.enter();
  await expect(all.page.getByTestId('ahead')).toHaveText('499 people');
  return all;
}

test('an announced match says when the sale and the waiting room open, and follows them', async ({
  arrive,
  server,
}) => {
  const { page, room } = await scene(arrive, server.url, 'Soon Town');
  await room.setMatch({
    status: 'ANNOUNCED',
    saleOpensAt: inMs(2 * HOUR_MS),
    queue: { ...QUEUE, opensAt: inMs(HOUR_MS), randomPreQueue: true },
  });
  await room.setLine({ state: 'NOT_OPEN' });
  await room.enter();
  await expect(page.getByText('The sale opens', { exact: true })).toBeVisible();
  await expect(page.getByText('The waiting room opens')).toBeVisible();
  await expect(page.getByTestId('opening')).toHaveText(/^(2:00:00|1:59:\d\d)$/);
  await expect(page.getByText(/^(1:00:00|0:59:\d\d)$/)).toBeVisible();
  await expect(page.getByText('a random draw decides the order')).toBeVisible();
  await expect(page.getByTestId('join')).toBeHidden();

  // The waiting room opens while the fan looks at the page, by the server's clock.
  await room.setMatch({ queue: { ...QUEUE, opensAt: inMs(1500), randomPreQueue: true } });
  await expect(page.getByTestId('join')).toBeVisible();
  room.setPlaceOnJoin({ ticket: 17 });
  await page.getByTestId('join').click();
  await expect(page.getByTestId('ticket-number')).toHaveText('17');
  await expect(page.getByText('You are in.')).toBeVisible();
  await expect(page.getByText('The order is drawn when the sale opens.')).toBeVisible();

  // The sale opens, and the page asks for the number that was drawn.
  room.setPlace({ number: 3, ahead: 2 });
  await room.setMatch({ status: 'OPEN' });
  await expect(page.getByText('The order is being drawn now.')).toBeVisible();
  await room.setLine({ state: 'OPEN', drawn: 20, waiting: 20 });
  await expect(page.getByTestId('ahead')).toHaveText('2 people');
  await expect(page.getByTestId('number')).toHaveText('3');
});

test('the browser checks the draw, and an admitted fan still knows the ticket', async ({ arrive, server }) => {
  const { page, room } = await scene(arrive, server.url, 'Draw Town');
  const seed = 'a1'.repeat(32);
  const hash = (text: string) => createHash('sha256').update(text).digest('hex');
  const seedHash = hash(seed);
  const drawn = 3000;
  const order = Array.from({ length: drawn }, (_, index) => index + 1).sort((a, b) =>
    hash(`${seed}:${a}`).slice(0, 16).localeCompare(hash(`${seed}:${b}`).slice(0, 16)),
  );
  const number = order.indexOf(17) + 1;
  room.setDraw({ seedHash, seed: null, drawn: null });
  room.setPlace({ ticket: 17 });
  await room.setMatch({ status: 'ANNOUNCED', queue: { ...QUEUE, opensAt: inMs(-1000), randomPreQueue: true } });
  await room.setLine({ state: 'NOT_OPEN' });
  await room.enter();
  const section = page.getByTestId('draw');
  await section.getByText('How the draw works').click();
  await expect(section).toContainText(seedHash);
  await expect(section).toContainText('Published when the sale opens');

  room.setDraw({ seedHash, seed, drawn });
  room.setPlace({ number, ahead: number - 1 });
  await room.setMatch({ status: 'OPEN' });
  await room.setLine({ state: 'OPEN', drawn });
  await section.getByRole('button', { name: 'Check' }).click();
  await expect(page.getByTestId('checked')).toContainText(
    `ticket 17 has place ${number.toLocaleString('en-GB')} of 3,000`,
  );
  // The server does not tell the ticket any more, but the browser has remembered it.
  room.setPlace({ state: 'ADMITTED', ticket: null, number: null, ahead: 0, passExpiresAt: inMs(HOUR_MS) });
  await room.setLine({ serving: number });
  await expect(page.getByTestId('pass')).toBeVisible();
  await room.enter();
  // The page draws the room again once it knows who the fan is.
  await expect(page.getByTestId('pass')).toBeVisible();
  await section.getByText('How the draw works').click();
  await section.getByRole('button', { name: 'Check' }).click();
  await expect(page.getByTestId('checked')).toBeVisible();
  // A seed that was changed after the tickets were known does not pass.
  room.setDraw({ seedHash: hash('another seed'), seed, drawn });
  await section.getByText('How the draw works').click();
  await section.getByText('How the draw works').click();
  await expect(section).toContainText(hash('another seed'));
  await section.getByRole('button', { name: 'Check' }).click();
  await expect(page.getByText('The seed does not match')).toBeVisible();
});

test('an estimate rises only when the room says why, and none is shown while nobody is admitted', async ({
  arrive,
  server,
}) => {
  const { page, room } = await waiting(arrive, server.url, 'Estimate Town');
  const estimate = page.getByTestId('estimate');
  await expect(estimate).toHaveText('10 min to 15 min');
  await room.setLine({ eta: { p50Seconds: 2400, p90Seconds: 3000 }, waiting: 1001 });
  await expect(page.getByText('1,001 people')).toBeVisible();
  await expect(estimate).toHaveText('10 min to 15 min');
  await room.setLine({ state: 'SLOWED' });
  await expect(page.getByText('Admission is slower now')).toBeVisible();
  await expect(estimate).toHaveText('20 min to 25 min');
  await room.setLine({ state: 'OPEN', eta: { p50Seconds: 1200, p90Seconds: 1800 } });
  await expect(estimate).toHaveText('10 min to 15 min');
  await expect(page.getByText('Admission is slower now')).toBeHidden();

  await room.setLine({ state: 'PAUSED', eta: null });
  await expect(page.getByText('Admission is paused')).toBeVisible();
  await expect(estimate).toBeHidden();
  await expect(page.getByTestId('ahead')).toHaveText('499 people');
  await room.setLine({ state: 'OPEN', eta: { p50Seconds: 3600, p90Seconds: 3600 } });
  room.setPlace({ eta: { p50Seconds: 3600, p90Seconds: 3600 } });
  await room.enter();
  await expect(estimate).toHaveText('over an hour');
});

test('people who wait are told that the match is sold out, that seats are back, and that it is over', async ({
  arrive,
  server,
}) => {
  const { page, room } = await waiting(arrive, server.url, 'End Town');
  await room.setLine({ state: 'SOLD_OUT', soldOut: true, seatsMayReturn: true, eta: null });
  await expect(page.getByText('Seats may come back')).toBeVisible();
  for (const gone of ['ahead', 'number', 'estimate']) await expect(page.getByTestId(gone)).toBeHidden();
  await expect(page.getByText('waiting in total')).toBeHidden();
  await room.setLine({ state: 'OPEN', soldOut: false });
  await expect(page.getByTestId('ahead')).toHaveText('499 people');
  await room.setLine({ state: 'SOLD_OUT', soldOut: true, seatsMayReturn: false });
  await expect(page.getByText('nobody is let in any more')).toBeVisible();
  await room.setMatch({ status: 'CLOSED' });
  await expect(page.getByText('The sale has closed. Nobody is let in')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Leave the line' })).toBeHidden();
  await page.getByRole('button', { name: 'Look at the seats' }).click();
  await expect(page.getByTestId('live')).toBeVisible();
});

test('a waiting room that had to start again says so, and one click joins again', async ({ arrive, server }) => {
  const { page, room } = await waiting(arrive, server.url, 'Again Town');
  room.setPlace(null);
  await room.setLine({ epoch: 2, waiting: 0 });
  await expect(page.getByText('had to start again')).toBeVisible();
  await expect(page.getByTestId('ahead')).toBeHidden();
  room.setPlaceOnJoin({ number: 2, ahead: 1, epoch: 2 });
  await page.getByTestId('join').click();
  await expect(page.getByTestId('ahead')).toHaveText('1 person');
  await expect(page.getByText('had to start again')).toBeHidden();

  // A fan who is away when it happens is told too.
  room.setPlace(null);
  await page.goto('about:blank');
  await room.setLine({ epoch: 3 });
  await room.enter();
  await expect(page.getByText('had to start again')).toBeVisible();
});

test('a fan whose turn came while they were away is told that the place is lost', async ({ arrive, server }) => {
  const { page, room } = await waiting(arrive, server.url, 'Late Town');
  room.setPlace(null);
  await room.enter();
  await expect(page.getByText('your turn came and was not used in time')).toBeVisible();
  await expect(page.getByTestId('join')).toHaveText('Join again');
});

test('the turn shows on the title of the tab and by a sound that was switched on', async ({ arrive, server }) => {
  const { page, room } = await waiting(arrive, server.url, 'Sound Town');
  const tones = () => page.evaluate(() => (window as unknown as { tones: number }).tones);
  await page.evaluate(() => {
    Object.assign(window, { tones: 0 });
    const start = OscillatorNode.prototype.start;
    OscillatorNode.prototype.start = function (...args) {
      (window as unknown as { tones: number }).tones += 1;
      start.apply(this, args);
    };
  });
  await expect(page).toHaveTitle('499 ahead · Grandstand');
  const sound = page.getByRole('button', { name: 'Sound when it is my turn' });
  await expect(sound).toHaveAttribute('aria-pressed', 'false');
  await sound.click();
  await expect.poll(tones).toBe(3);
  room.setPlace({ state: 'ADMITTED', number: null, ticket: null, ahead: 0, passExpiresAt: inMs(66_000) });
  await room.setLine({ serving: 500 });
  await expect(page).toHaveTitle('▶ Your turn! · Grandstand');
  await expect.poll(tones).toBe(12);
  await expect(page.getByTestId('pass')).toContainText(/It is your turn.*1:0\d/);
  // A minute before the end the page warns.
  await expect(page.getByTestId('pass')).toContainText('Less than a minute');
  await expect(page.locator('.notices')).toContainText('Less than a minute');
});

test('a hidden tab keeps the stream while its fan waits', async ({ arrive, server }) => {
  const { page, room } = await waiting(arrive, server.url, 'Hidden Town');
  await page.evaluate(() => {
    Object.defineProperty(document, 'hidden', { value: true, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  });
  // Longer than the pause after which other hidden tabs close their streams.
  await page.waitForTimeout(3500);
  room.setPlace({ state: 'ADMITTED', number: null, ahead: 0, passExpiresAt: inMs(HOUR_MS) });
  await room.setLine({ serving: 500 });
  await expect(page).toHaveTitle('▶ Your turn! · Grandstand');
});

test('after waking the page asks for its place at once', async ({ arrive, server }) => {
  const { page, room } = await waiting(arrive, server.url, 'Wake Town');
  const before = room.asked;
  await page.evaluate(() => window.dispatchEvent(new PageTransitionEvent('pageshow')));
  await expect.poll(() => room.asked, { timeout: 2000 }).toBe(before + 1);
});

test('a refusal to join says when to try again', async ({ arrive, server }) => {
  const { page, room } = await scene(arrive, server.url, 'Busy Town');
  room.refuseJoining({
    status: 429,
    headers: { 'Retry-After': '30' },
    json: { status: 429, code: 'TOO_MANY_REQUESTS' },
  });
  await room.enter();
  await page.getByTestId('join').click();
  await expect(page.getByText('Too many tries')).toBeVisible();
  await expect(page.getByTestId('join')).toHaveText(/Try again in (30|2\d) s/);
  await expect(page.getByTestId('join')).toBeDisabled();
});
