// Takes the pictures of docs/images again: `npm run pictures`.

import type { Page } from '@playwright/test';
import { openQueue, Person, smallMatch } from '../support/backstage';
import { comeAsNewFan, holdBest, openMatch, pay, reserve, test, ticket } from '../support/fan';

const FOLDER = '../docs/images';
const PHONE = { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true };
const FANS = 60;
/** Pixels of the picture for each pixel of the page, for pictures of a phone. */
const SHARP = 1.5;

/** Gives a match a past: seats sold, in payment and in somebody's hands, all over the stadium. */
async function crowd(url: string, match: string): Promise<void> {
  const { blocks } = await Person.admin(url).then((admin) => admin.call('GET', `/api/matches/${match}/seats`));
  const fans = await Promise.all(Array.from({ length: FANS }, () => Person.signUp(url)));
  for (const [index, fan] of fans.entries()) {
    const block = blocks[(index * 7) % blocks.length].id;
    const { seats } = await fan.call('GET', `/api/matches/${match}/blocks/${block}/seats`);
    const first = (index * 13) % (seats.length - 4);
    const seatIds = seats.slice(first, first + 4).map((seat: { id: number }) => seat.id);
    await fan.call('POST', `/api/matches/${match}/holds`, { seatIds }).catch(() => undefined);
  }
}

/** Blocks seats in rows, as season tickets do: the administrator is quick where fans are not. */
async function fill(url: string, match: string): Promise<void> {
  const admin = await Person.admin(url);
  const { blocks } = await admin.call('GET', `/api/matches/${match}/seats`);
  for (const [index, { id }] of blocks.entries()) {
    const { seats } = await admin.call('GET', `/api/matches/${match}/blocks/${id}/seats`);
    const share = [0.15, 0.8, 0.35, 0.95, 0.6][(index * 3) % 5];
    const taken = seats
      .filter((_: unknown, seat: number) => ((seat * 37 + index * 11) % 100) / 100 < share)
      .map((seat: { id: number }) => seat.id);
    for (let at = 0; at < taken.length; at += 100) {
      const seatIds = taken.slice(at, at + 100);
      await admin.call('POST', `/api/admin/matches/${match}/block`, { seatIds });
    }
  }
}

async function take(page: Page, name: string): Promise<void> {
  // Notices would cover a part of the picture.
  await page.locator('.notices').evaluate((element) => (element.style.display = 'none'));
  await page.waitForTimeout(900);
  await page.screenshot({ path: `${FOLDER}/${name}.png` });
}

test('pictures', async ({ arrive, server }) => {
  test.setTimeout(300_000);
  const { matches } = await Person.admin(server.url).then((admin) => admin.call('GET', '/api/matches'));
  await fill(server.url, matches[0].id);
  await crowd(server.url, matches[0].id);

  const desk = await arrive('/', { colorScheme: 'light' });
  await openMatch(desk);
  await take(desk, 'map');

  const night = await arrive('/', { colorScheme: 'dark' });
  await comeAsNewFan(night);
  await openMatch(night);
  await holdBest(night);
  await take(night, 'map-dark');

  const phone = await arrive('/', { ...PHONE, colorScheme: 'light', deviceScaleFactor: SHARP });
  await comeAsNewFan(phone);
  await openMatch(phone);
  await holdBest(phone);
  await take(phone, 'phone');
  await reserve(phone);
  await pay(phone, 'approve');
  await ticket(phone).and(phone.locator('[data-status=CONFIRMED]')).waitFor();
  await take(phone, 'ticket');
});

test('picture of the waiting room', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Village Eleven', 200);
  await openQueue(server.url, match, { paused: true });
  const before = await Promise.all(Array.from({ length: 40 }, () => Person.signUp(server.url)));
  for (const person of before) await person.call('POST', `/api/matches/${match}/queue`);
  const waiting = await arrive('/', { ...PHONE, colorScheme: 'dark', deviceScaleFactor: SHARP });
  await comeAsNewFan(waiting);
  await waiting.goto(`/#/matches/${match}`);
  await waiting.getByTestId('join').click();
  // Some people are let in, so that the line has a pace.
  await openQueue(server.url, match, { admitPerMinute: 40 });
  await waiting.getByTestId('ahead').and(waiting.getByText(/^2\d people$/)).waitFor();
  await take(waiting, 'waiting-room');
});
