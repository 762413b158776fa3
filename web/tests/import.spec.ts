// The import of a plan of another program on the organiser's page.

import { join } from 'node:path';
import { expect, type Page } from '@playwright/test';
import { tabTo } from './support/audit';
import { ADMIN, Person } from './support/backstage';
import { comeAsNewFan, logIn, signUp, test } from './support/fan';

/** The tests run in the folder of the page. */
const PLANS = '../tests/plans';
const HEAD = 'section,row,seat,x,y,grade\n';

const csv = (name: string, text: string | Buffer) => ({ name, mimeType: 'text/csv', buffer: Buffer.from(text) });

async function openImport(page: Page): Promise<void> {
  await logIn(page, ADMIN.email, ADMIN.password);
  await page.getByRole('link', { name: 'Plans' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Import a plan');
}

const file = (page: Page) => page.getByLabel('File with the plan');
const read = (page: Page) => page.getByRole('button', { name: 'Read the file' });
const sitesOf = async (url: string) => (await (await Person.admin(url)).call('GET', '/api/admin/sites')).sites;

test('an organiser reads a file, looks at the house, sets prices and saves it', async ({ arrive, server }) => {
  const page = await arrive();
  await openImport(page);
  const before = await sitesOf(server.url);
  await file(page).setInputFiles(join(PLANS, 'theatre.pretix.json'));
  // The page finds out the form of the file.
  await expect(page.getByLabel('pretix seating plan (JSON)')).toBeChecked();
  await page.getByLabel('Name of the house', { exact: true }).fill('Small House');
  await page.getByLabel('Distance of neighbours in metres').fill('0.6');
  const asked = page.waitForRequest('**/api/admin/sites/import?from=pretix');
  await read(page).click();
  expect((await asked).postDataJSON()).toMatchObject({ name: 'Small House', spacing: 0.6 });
  // The result has the focus, so that a screen reader begins there.
  await expect(page.getByRole('heading', { name: 'Plan of Small House' })).toBeFocused();
  await expect(page.getByRole('heading', { name: /things? to check/ })).toBeVisible();
  await expect(page.locator('.plan-notes li').first()).not.toBeEmpty();
  await expect(page.getByRole('application', { name: 'Preview of the plan' })).toBeVisible();
  await page.locator('summary').click();
  const rows = page.getByRole('row');
  await expect(rows).not.toHaveCount(1);
  expect(await sitesOf(server.url)).toEqual(before);

  await page.getByLabel('Price of Parkett in won').fill('45000');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('heading', { name: /^Saved: Small House, \d+ seats$/ })).toBeFocused();
  const id = await page.getByTestId('site-id').innerText();
  expect(await sitesOf(server.url)).toHaveLength(before.length + 1);
  const stored = await (await Person.admin(server.url)).call('GET', `/api/sites/${id}`);
  expect(stored.grades).toContainEqual(expect.objectContaining({ name: 'Parkett', price: 45_000 }));
  await page.getByRole('button', { name: 'Import another file' }).click();
  await expect(file(page)).toBeVisible();
});

test('the keyboard alone is enough to import a plan', async ({ arrive }) => {
  const page = await arrive();
  // Waited for from the start, because the browser takes a moment until it hands choosers to the test.
  const chooser = page.waitForEvent('filechooser');
  await openImport(page);
  await tabTo(page, file(page));
  await page.keyboard.press('Enter');
  await (await chooser).setFiles(join(PLANS, 'hall.csv'));
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await page.keyboard.type('Keyboard Hall');
  await tabTo(page, read(page));
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: 'Plan of Keyboard Hall' })).toBeFocused();
  await tabTo(page, page.getByRole('application'));
  await tabTo(page, page.locator('summary'));
  await page.keyboard.press('Enter');
  await expect(page.getByRole('table')).toBeVisible();
  await tabTo(page, page.getByLabel('Price of BOX in won'));
  await page.keyboard.type('70000');
  await tabTo(page, page.getByRole('button', { name: 'Save' }));
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: /^Saved: Keyboard Hall/ })).toBeFocused();
});

test('the preview shows each floor, and the plan of a house is replaced', async ({ arrive, server }) => {
  const admin = await Person.admin(server.url);
  const page = await arrive();
  await openImport(page);
  await file(page).setInputFiles(join(PLANS, 'club.seatsio.json'));
  await expect(page.getByLabel('seats.io drawing (JSON)')).toBeChecked();
  await page.getByLabel('Name of the house', { exact: true }).fill('First Club');
  await read(page).click();
  const tabs = page.getByRole('tab');
  await expect(tabs).not.toHaveCount(0);
  await tabs.first().focus();
  await page.keyboard.press('ArrowRight');
  await expect(tabs.nth(1)).toBeFocused();
  await expect(tabs.nth(1)).toHaveAttribute('aria-selected', 'true');
  await page.getByRole('button', { name: 'Save' }).click();
  const id = await page.getByTestId('site-id').innerText();

  await page.getByRole('button', { name: 'Import another file' }).click();
  await file(page).setInputFiles(join(PLANS, 'hall.csv'));
  await page.getByLabel('Name of the house', { exact: true }).fill('Second Hall');
  await read(page).click();
  await page.getByLabel('Save as').selectOption({ label: 'The new plan of First Club' });
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByTestId('site-id')).toHaveText(id);
  expect(await admin.call('GET', `/api/sites/${id}`)).toMatchObject({ name: 'Second Hall', version: 2 });
});

test('a broken file has a list of all its faults, and nothing is saved', async ({ arrive, server }) => {
  const page = await arrive();
  await openImport(page);
  const before = await sitesOf(server.url);
  await file(page).setInputFiles(csv('broken.csv', `${HEAD}A,1,1,zero,0,G\nA,1,2,0.5,nought,G\nA,1,3,1,0,G\nA,1,4,1.5,0,G\n`));
  await read(page).click();
  await expect(page.getByRole('heading', { name: 'The file has 2 faults' })).toBeFocused();
  await expect(page.locator('.faults li')).toHaveText([/^line 2 /, /^line 3 /]);
  await expect(page.getByRole('button', { name: 'Save' })).toHaveCount(0);
  // A text that is no plan at all.
  await file(page).setInputFiles(csv('letter.json', '{"dear": "Sir"}'));
  await expect(page.getByRole('heading', { name: 'The file has 2 faults' })).toHaveCount(0);
  await read(page).click();
  await expect(page.getByRole('heading', { name: /The file has \d+ faults?/ })).toBeFocused();
  expect(await sitesOf(server.url)).toEqual(before);
});

test('a file that is too large or not in UTF-8 is not sent', async ({ arrive }) => {
  const page = await arrive();
  await openImport(page);
  let sent = 0;
  page.on('request', (request) => (sent += request.url().includes('/import') ? 1 : 0));
  await file(page).setInputFiles(csv('large.csv', Buffer.alloc(4 * 1024 * 1024 + 1, 'a')));
  await expect(page.getByRole('alert')).toHaveText('The file is too large. A plan may have 4 MiB.');
  await read(page).click();
  // With the name of a house around it, this one is a little too large for a request.
  await file(page).setInputFiles(csv('nearly.csv', Buffer.alloc(4 * 1024 * 1024 - 5, 'a')));
  await expect(page.getByRole('alert')).toHaveCount(0);
  await read(page).click();
  await expect(page.getByRole('alert')).toHaveText('The file is too large. A plan may have 4 MiB.');
  // Spreadsheets in Korea write another encoding.
  await file(page).setInputFiles(csv('korea.csv', Buffer.from([0xb0, 0xa1, 0x2c, 0xb3, 0xaa])));
  await expect(page.getByRole('alert')).toContainText('not in UTF-8');
  expect(sent).toBe(0);
});

test('a refusal of the server says what to do', async ({ arrive }) => {
  const page = await arrive();
  await openImport(page);
  await file(page).setInputFiles(join(PLANS, 'hall.csv'));
  await page.route('**/sites/import?*', (route) => route.abort());
  await read(page).click();
  await expect(page.getByRole('alert')).toContainText('The server can’t be reached.');
  await page.unroute('**/sites/import?*');
  await read(page).click();
  await expect(page.getByRole('alert')).toHaveCount(0);
  // The least amount that the gateway takes is 100 won.
  await page.locator('.plan-prices input').first().fill('5');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('alert')).toContainText('The server does not take this plan.');
  await expect(page.getByRole('alert').locator('code')).toHaveText('/grades/0/price');
});

test('only organisers and administrators see the import', async ({ arrive }) => {
  const page = await arrive('/#/import');
  await expect(page.getByText('Log in to import plans.')).toBeVisible();
  await page.getByRole('main').getByRole('button', { name: 'Log in' }).click();
  await signUp(page);
  await expect(page.getByText('Only administrators and organisers may import plans.')).toBeVisible();
  await expect(page.getByRole('link', { name: 'Plans' })).toHaveCount(0);
});

test('an organiser replaces the plan of their site, and can make no new site', async ({ arrive, server }) => {
  const admin = await Person.admin(server.url);
  const page = await arrive();
  const email = await comeAsNewFan(page);
  const [account] = (await admin.call('GET', `/api/admin/accounts?email=${encodeURIComponent(email)}`)).accounts;
  const [site] = await sitesOf(server.url);
  await admin.call('PATCH', `/api/admin/accounts/${account.id}`, { role: 'ORGANISER', sites: [site.id] });
  await page.reload();
  await page.getByRole('link', { name: 'Plans' }).click();
  await file(page).setInputFiles(join(PLANS, 'hall.csv'));
  await read(page).click();
  await expect(page.getByLabel('Save as').locator('option')).toHaveCount(1);
  // Matches on sale use the plan of the demo's site.
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('alert')).toContainText('A match uses this stadium');
});
