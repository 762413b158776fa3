// Changes of a match besides its seats: the page follows them without a reload.

import { expect, type Page } from '@playwright/test';
import { draftMatch, openQueue, Person, plan, smallMatch } from './support/backstage';
import { line } from './support/cut';
import { fakeStreams } from './support/fake-streams';
import { live, signUp, test } from './support/fan';

/** A change is on every page after so many milliseconds. */
const SECONDS = { timeout: 5000 };

const notOnSale = (page: Page) => page.getByText('This match is not on sale now.');

test('people who look and people who wait see a sale close and open', async ({
  arrive,
  server,
}) => {
  const match = await smallMatch(server.url, 'Close Town', 8);
  const admin = await Person.admin(server.url);
  const looking = await arrive(`/#/matches/${match}`);
  await expect(looking.getByTestId('best')).toBeVisible();
  await expect(live(looking)).toHaveText('Live');

  await admin.call('POST', `/api/admin/matches/${match}/close`);
  await expect(notOnSale(looking)).toBeVisible(SECONDS);
  await expect(looking.getByText('The sale has closed.')).toBeVisible();
  await expect(looking.getByTestId('best')).toBeHidden();
  await admin.call('POST', `/api/admin/matches/${match}/open`);
  await expect(looking.getByTestId('best')).toBeVisible(SECONDS);
  await expect(notOnSale(looking)).toBeHidden();

  await openQueue(server.url, match, { paused: true });
  await expect(looking.getByTestId('join')).toBeVisible(SECONDS);
  await looking.getByTestId('join').click();
  await signUp(looking);
  await expect(looking.getByTestId('ahead')).toHaveText('It is almost your turn');
  await admin.call('POST', `/api/admin/matches/${match}/close`);
  await expect(looking.getByText('The sale has closed. Nobody is let in')).toBeVisible(SECONDS);
  await expect(looking.getByTestId('ahead')).toBeHidden();
  await looking.getByRole('button', { name: 'Look at the seats' }).click();
  await expect(notOnSale(looking)).toBeVisible();
  await expect(live(looking)).toHaveText('Live');
});

test('the waiting room follows its organiser and the people who come and go', async ({
  arrive,
  server,
}) => {
  const match = await smallMatch(server.url, 'Pause Town', 2);
  await openQueue(server.url, match, { maxActive: 1 });
  const first = await Person.signUp(server.url);
  await first.call('POST', `/api/matches/${match}/queue`);
  const page = await arrive(`/#/matches/${match}`);
  await page.getByTestId('join').click();
  await signUp(page);
  await expect(page.getByText('1 person is waiting')).toBeVisible(SECONDS);
  const second = await Person.signUp(server.url);
  await second.call('POST', `/api/matches/${match}/queue`);
  await expect(page.getByText('2 people are waiting')).toBeVisible(SECONDS);
  await openQueue(server.url, match, { paused: true });
  await expect(page.getByText('Admission is paused')).toBeVisible(SECONDS);
  await openQueue(server.url, match, { maxActive: 1 });
  await expect(page.getByText('Admission is paused')).toBeHidden(SECONDS);
  await first.call('POST', `/api/matches/${match}/holds`, { seatIds: [1, 2] });
  await expect(page.getByText('All seats are taken.')).toBeVisible(SECONDS);
  await expect(page.getByText('Estimated wait')).toBeHidden();
  const admin = await Person.admin(server.url);
  await admin.call('PUT', `/api/admin/matches/${match}/queue`, { enabled: false });
  await expect(page.getByText('All seats are taken.')).toBeVisible(SECONDS);
  await expect(live(page)).toHaveText('Live');
});

test('a match that is moved to another day shows the new day', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Move Town', 8);
  const page = await arrive(`/#/matches/${match}`);
  await expect(page.getByText('14:00')).toBeVisible();
  await expect(live(page)).toHaveText('Live');
  const admin = await Person.admin(server.url);
  const { siteId } = await admin.call('GET', `/api/matches/${match}`);
  await admin.call('PUT', `/api/admin/matches/${match}`, {
    siteId,
    homeTeam: 'Move Town',
    awayTeam: 'The Moon',
    startsAt: '2040-05-06T09:30:00Z',
  });
  await expect(page.getByRole('heading', { level: 1 })).toContainText('The Moon', SECONDS);
  await expect(page.getByText('18:30')).toBeVisible();
});

test('an announced match shows its last plan, and the page follows when the sale opens by itself', async ({
  arrive,
  server,
}) => {
  const admin = await Person.admin(server.url);
  const { match, site } = await draftMatch(server.url, 'Plan Town', plan(8, 1000));
  // Prices change only before the match is announced.
  await admin.call('PUT', `/api/admin/sites/${site}`, plan(6, 4000));
  const { siteId, homeTeam, awayTeam, startsAt } = await admin.call('GET', `/api/matches/${match}`);
  const saleOpensAt = new Date(Date.now() + 20_000).toISOString();
  const terms = { siteId, homeTeam, awayTeam, startsAt, saleOpensAt };
  await admin.call('PUT', `/api/admin/matches/${match}`, terms);
  await admin.call('POST', `/api/admin/matches/${match}/announce`);

  const page = await arrive();
  const card = page.locator('.match-card', { hasText: 'Plan Town' });
  await expect(card).toContainText(/On sale from .*in 0:00:1\d/);
  await card.click();
  await expect(page.getByText('6 of 6 seats left')).toBeVisible();
  await expect(page.getByText('₩4,000').first()).toBeVisible();
  await expect(page.getByTestId('opening')).toHaveText(/^0:00:\d\d$/);
  await expect(page.getByTestId('best')).toBeHidden();
  await expect(page.getByTestId('best')).toBeVisible();
  await expect(page.getByText('The sale has opened. You can choose seats now.')).toBeVisible();
});

test('the waiting room and the list say when the connection is lost', async ({
  arrive,
  server,
  baseURL,
}) => {
  const match = await smallMatch(server.url, 'Lost Town', 8);
  await openQueue(server.url, match, { paused: true });
  const between = await line(baseURL ?? '');
  const waiting = await arrive(`${between.url}/#/matches/${match}`);
  const reading = await arrive(between.url);
  await expect(waiting.getByText('0 people are waiting')).toBeVisible();
  await expect(reading.locator('.match-card', { hasText: 'Lost Town' })).toBeVisible();
  between.cut();
  for (const page of [waiting, reading]) {
    await expect(page.getByRole('alert')).toContainText('last known state');
  }
  between.mend();
  for (const page of [waiting, reading]) await expect(page.getByRole('alert')).toBeHidden();
  between.close();
});

test('an older state of a match that comes late changes nothing', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Late Town', 8);
  const now = await (await Person.admin(server.url)).call('GET', `/api/matches/${match}`);
  const page = await arrive('about:blank');
  await page.addInitScript(fakeStreams);
  await page.goto(`${server.url}/#/matches/${match}`);
  await expect(page.getByTestId('best')).toBeVisible();
  const feed = (changes: object) =>
    page.evaluate((state) => window.feed('match', state), { ...now, ...changes });
  await feed({ version: now.version + 2, status: 'CLOSED' });
  await expect(notOnSale(page)).toBeVisible();
  await feed({ version: now.version + 1, status: 'OPEN' });
  await feed({ version: now.version + 3, status: 'CLOSED', homeTeam: 'Later Town' });
  await expect(page.getByRole('heading', { name: 'Later Town' })).toBeVisible();
  // Asked once, because a notice disappears by itself.
  expect(await page.locator('.notices').innerText()).not.toContain('The sale has opened');
  await expect(notOnSale(page)).toBeVisible();
});
