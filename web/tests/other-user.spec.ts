// Another person logs in with the same browser: what belongs to the person before leaves all tabs.

import { expect, type Page } from '@playwright/test';
import { ADMIN, openQueue, PASSWORD, Person, smallMatch } from './support/backstage';
import { comeAsNewFan, holdBest, logIn, reserve, test, ticket } from './support/fan';

/** Logs out and comes as another fan in another tab, until this tab knows it. */
async function changeUser(page: Page): Promise<void> {
  const other = await page.context().newPage();
  await other.goto('/');
  await other.getByRole('button', { name: 'Log out' }).click();
  const email = await comeAsNewFan(other);
  await expect(page.getByTitle(email)).toBeVisible();
}

/** The same, but this tab misses the log-out, for example because it slept. */
async function changeUserUnseen(page: Page, url: string, to?: typeof ADMIN): Promise<void> {
  const person = await (to ? Person.logIn(url, to) : Person.signUp(url));
  const { id, email } = await person.call('GET', '/api/users/me');
  const other = await page.context().newPage();
  await other.goto('/');
  await other.evaluate(
    async ([body, user]) => {
      const headers = { 'Content-Type': 'application/json' };
      await fetch('/api/users/log-in', { method: 'POST', headers, body });
      localStorage.setItem('grandstand.session', user);
    },
    [JSON.stringify({ email, password: to?.password ?? PASSWORD, cookie: true }), id] as const,
  );
  await expect(page.getByTitle(email)).toBeVisible();
}

test('a ticket leaves the screen', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Ticket Town', 8);
  const page = await arrive(`/#/matches/${match}`);
  await comeAsNewFan(page);
  await holdBest(page);
  await reserve(page);
  await changeUserUnseen(page, server.url);
  await expect(page.getByRole('alert')).toContainText('We can’t find this reservation');
  await expect(ticket(page)).toHaveCount(0);
});

test('a place in the line leaves the screen, even if the server says nothing', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Line Town', 8);
  await openQueue(server.url, match, { paused: true });
  const page = await arrive(`/#/matches/${match}`);
  await comeAsNewFan(page);
  await page.getByTestId('join').click();
  await expect(page.getByTestId('ahead')).toBeVisible();
  await page.route('**/queue', (route) => route.abort());
  await changeUser(page);
  await expect(page.getByTestId('join')).toBeVisible();
  await expect(page.getByTestId('ahead')).toHaveCount(0);
});

test('passwords that were typed leave the forms of the account', async ({ arrive, server }) => {
  const page = await arrive('/');
  await comeAsNewFan(page);
  await page.getByRole('link', { name: 'Account' }).click();
  const form = page.getByRole('form', { name: 'New password' });
  await form.getByLabel('Current password').fill('a secret');
  await changeUserUnseen(page, server.url);
  await expect(form.getByLabel('Current password')).toHaveValue('');
});

test('the plan of an import leaves the screen', async ({ arrive, server }) => {
  const page = await arrive('/');
  await logIn(page, ADMIN.email, ADMIN.password);
  await page.getByRole('link', { name: 'Plans' }).click();
  await page.getByLabel('File with the plan').setInputFiles('../tests/plans/hall.csv');
  await page.getByLabel('Name of the house', { exact: true }).fill('Secret Hall');
  await page.getByRole('button', { name: 'Read the file' }).click();
  const plan = page.getByRole('heading', { name: 'Plan of Secret Hall' });
  await expect(plan).toBeVisible();
  await changeUserUnseen(page, server.url);
  await expect(plan).toHaveCount(0);
  await changeUserUnseen(page, server.url, ADMIN);
  await expect(page.getByLabel('File with the plan')).toBeVisible();
  await expect(plan).toHaveCount(0);
});

test('a pause between holds is not that of the next fan', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Pause Town', 8);
  const page = await arrive(`/#/matches/${match}`);
  await comeAsNewFan(page);
  await page.route('**/holds', (route) => {
    if (route.request().method() !== 'POST') return route.fallback();
    const until = new Date(Date.now() + 600_000).toISOString();
    return route.fulfill({ status: 409, json: { status: 409, code: 'COOL_DOWN', until } });
  });
  await page.getByTestId('best').click();
  await expect(page.getByText('A short pause')).toBeVisible();
  await changeUser(page);
  await expect(page.getByText('A short pause')).toHaveCount(0);
  await expect(page.getByTestId('best')).toBeEnabled();
});
