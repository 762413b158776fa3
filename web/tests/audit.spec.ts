// The accessibility rules for real houses and real prices, by day and by night, at a desk and on a
// phone: prices, ticket types, areas by quantity, floors, names, the import of plans.

import { expect, type Page } from '@playwright/test';
import { audit } from './support/audit';
import { ADMIN } from './support/backstage';
import { comeAsNewFan, live, logIn, pay, reserve, test, ticket } from './support/fan';
import { hallMatch } from './support/hall';

const SIZES = {
  desk: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
};

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

/** Audits a place of the page, and checks that nothing is wider than the screen. */
async function check(page: Page, place: string): Promise<void> {
  await audit(page, place);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(`${place} is ${Math.max(0, wide)} px too wide`).toBe(`${place} is 0 px too wide`);
}

for (const [size, options] of Object.entries(SIZES)) {
  test(`a house with prices, types, areas and floors passes the rules, ${size}`, async ({ arrive, server }) => {
    test.setTimeout(240_000);
    const match = await hallMatch(server.url, `Audit House ${size}`, PRICES);
    const page = await arrive('/', options);
    await comeAsNewFan(page);
    await page.goto(`/#/matches/${match}`);
    await expect(live(page)).toHaveText('Live');
    const choice = page.getByRole('region', { name: 'Your choice' });
    await page.getByRole('button', { name: 'One seat more: Child' }).click();
    await page.getByRole('button', { name: 'One seat more: Wheelchair places' }).click();
    await page.getByLabel('Area', { exact: true }).selectOption({ label: 'House' });
    await check(page, `${size}: map with floors, search with types and areas`);

    await page.getByRole('button', { name: 'List', exact: true }).click();
    await check(page, `${size}: list with floors, prices and an area`);
    await page.locator('.list-block', { hasText: 'Dance floor' }).click();
    const fewer = choice.getByRole('button', { name: 'One place more: Floor Dance floor, Child' });
    for (let click = 0; click < 3; click += 1) await fewer.click();
    await expect(choice.getByRole('alert')).toBeVisible();
    await check(page, `${size}: an area by quantity, too many of a type`);
    await choice.getByRole('button', { name: 'One place fewer: Floor Dance floor, Child' }).click();
    await page.locator('.list-block', { hasText: 'Block A' }).click();
    await page.locator('.list-seat[aria-label*="1_DA, "]').click();
    await expect(choice.locator('.total')).toBeVisible();
    await check(page, `${size}: rows with names, units and attributes, choice of types`);
    await page.getByTestId('hold').click();
    await expect(page.getByTestId('held')).toBeVisible();
    await check(page, `${size}: hold with types and a fee`);
    await reserve(page);
    await check(page, `${size}: reservation with types and a fee`);
    await pay(page, 'approve');
    await expect(ticket(page)).toHaveAttribute('data-status', 'CONFIRMED');
    await check(page, `${size}: ticket with types and a fee`);
  });

  test(`the import of a plan passes the rules, ${size}`, async ({ arrive }) => {
    test.setTimeout(240_000);
    const page = await arrive('/', options);
    await logIn(page, ADMIN.email, ADMIN.password);
    await page.goto('/#/import');
    const [file, read] = [page.getByLabel('File with the plan'), page.getByRole('button', { name: 'Read the file' })];
    await expect(file).toBeVisible();
    await check(page, `${size}: form for a file`);
    const buffer = Buffer.from('section,row,seat,x,y,grade\nA,1,1,zero,0,G\n');
    await file.setInputFiles({ name: 'broken.csv', mimeType: 'text/csv', buffer });
    await read.click();
    await expect(page.locator('.faults li').first()).toBeVisible();
    await check(page, `${size}: faults of a file`);
    await file.setInputFiles('../tests/plans/club.seatsio.json');
    await page.getByLabel('Name of the house', { exact: true }).fill(`Audit Club ${size}`);
    await read.click();
    await page.locator('summary').click();
    await check(page, `${size}: a plan with notes, floors and prices`);
    await page.locator('.plan-prices input').first().fill('5');
    await page.getByRole('button', { name: 'Save' }).click();
    await expect(page.getByRole('alert')).toBeVisible();
    await check(page, `${size}: a plan that was refused`);
    await page.locator('.plan-prices input').first().fill('5000');
    await page.getByRole('button', { name: 'Save' }).click();
    await expect(page.getByTestId('site-id')).toBeVisible();
    await check(page, `${size}: a saved plan`);
  });
}
