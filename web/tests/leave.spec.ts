// A fan who leaves a match while something is under way there: it ends there.

import { expect, type Page } from '@playwright/test';
import { openQueue, Person, PASSWORD, smallMatch } from './support/backstage';
import { comeAsNewFan, live, showList, signUp, test } from './support/fan';

const isPost = (page: Page, path: string) => {
  const found: string[] = [];
  page.on('request', (request) => {
    if (request.method() === 'POST' && request.url().endsWith(path)) found.push(request.url());
  });
  return found;
};

/** Opens a match from the list, so that one step back leads out of it. */
async function enter(page: Page, match: string): Promise<void> {
  await page.goto('/');
  await page.evaluate((hash) => (location.hash = hash), `#/matches/${match}`);
}

/** Goes back while the log-in window is open, and then logs in. */
async function logInElsewhere(page: Page): Promise<string> {
  await expect(page.getByRole('dialog')).toBeVisible();
  await page.evaluate(() => history.back());
  await expect(page.locator('.match-card').first()).toBeAttached();
  const email = await signUp(page);
  // What a log-in sets off has been sent before this list.
  await page.getByRole('link', { name: 'My tickets' }).click();
  await expect(page.getByText('You have no reservations yet.')).toBeVisible();
  return email;
}

test('a fan who leaves the match before the log-in holds nothing there', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Leave Town', 8);
  const page = await arrive();
  await enter(page, match);
  const asked = isPost(page, '/holds');
  await page.getByTestId('best').click();
  const email = await logInElsewhere(page);
  expect(asked).toEqual([]);
  const phone = await Person.logIn(server.url, { email, password: PASSWORD });
  expect((await phone.call('GET', `/api/matches/${match}/holds`)).holds).toEqual([]);
});

test('a fan who leaves the match before the log-in does not join its line', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Line Town', 8);
  await openQueue(server.url, match, { paused: true });
  const page = await arrive();
  await enter(page, match);
  const asked = isPost(page, '/queue');
  await page.getByTestId('join').click();
  await logInElsewhere(page);
  expect(asked).toEqual([]);
});

test('a refused hold offers nothing in the match to which the fan went', async ({ arrive, server }) => {
  const [first, next] = [
    await smallMatch(server.url, 'First Town', 8),
    await smallMatch(server.url, 'Next Town', 8),
  ];
  const page = await arrive();
  await enter(page, first);
  await expect(live(page)).toHaveText('Live');
  await comeAsNewFan(page);
  await showList(page);
  await page.locator('.list-block').first().click();
  await page.locator('.list-seat').first().click();
  const other = await Person.signUp(server.url);
  await other.call('POST', `/api/matches/${first}/holds`, { seatIds: [2] });
  let send = () => undefined as void;
  const left = new Promise<void>((resolve) => (send = resolve));
  await page.route(`**/${first}/holds`, async (route) => {
    if (route.request().method() !== 'POST') return route.fallback();
    await other.call('POST', `/api/matches/${first}/holds`, { seatIds: [1] });
    const response = await route.fetch();
    await left;
    await route.fulfill({ response });
  });
  const refused = page.waitForResponse((response) => response.status() === 409);
  await page.getByTestId('hold').click();
  await page.evaluate((hash) => (location.hash = hash), `#/matches/${next}`);
  await expect(page.getByRole('heading', { name: 'Next Town' })).toBeVisible();
  await expect(live(page)).toHaveText('Live');
  await expect(page.getByTestId('best')).toBeDisabled();
  send();
  await refused;
  await expect(page.getByTestId('best')).toBeEnabled();
  expect(await page.locator('.alternative').count()).toBe(0);
  expect(await page.getByText('Someone else was faster').count()).toBe(0);
});

test('a hold that is granted late is not shown in the match to which the fan went', async ({ arrive, server }) => {
  const [first, next] = [
    await smallMatch(server.url, 'Slow Town', 8),
    await smallMatch(server.url, 'Other Town', 8),
  ];
  const page = await arrive();
  await enter(page, first);
  await expect(live(page)).toHaveText('Live');
  await comeAsNewFan(page);
  let send = () => undefined as void;
  const left = new Promise<void>((resolve) => (send = resolve));
  await page.route(`**/${first}/holds`, async (route) => {
    if (route.request().method() !== 'POST') return route.fallback();
    const response = await route.fetch();
    await left;
    await route.fulfill({ response });
  });
  // What the server knows does not say it.
  await page.route(`**/${next}/holds`, (route) => route.abort());
  await page.getByTestId('best').click();
  await page.evaluate((hash) => (location.hash = hash), `#/matches/${next}`);
  await expect(page.getByRole('heading', { name: 'Other Town' })).toBeVisible();
  await expect(live(page)).toHaveText('Live');
  send();
  await expect(page.getByText('You hold 2 seats.')).toBeVisible();
  expect(await page.getByTestId('held').count()).toBe(0);
});
