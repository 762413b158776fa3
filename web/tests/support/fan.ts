// A person at the page, who acts on what they see.

import { join } from 'node:path';
import {
  expect,
  test as base,
  type BrowserContext,
  type BrowserContextOptions,
  type Locator,
  type Page,
} from '@playwright/test';
import { PASSWORD } from './backstage';
import { Server } from './server';

let fans = 0;

interface Fixtures {
  arrive: (url?: string, options?: BrowserContextOptions) => Promise<Page>;
}

export const test = base.extend<Fixtures, { server: Server }>({
  /** One server for all tests. */
  server: [
    async ({}, use) => {
      const server = await Server.start();
      await use(server);
      await server.end();
    },
    { scope: 'worker', timeout: 90_000 },
  ],
  baseURL: async ({ server }, use) => use(server.url),
  /** Each call is another person with a browser context of their own, which closes when the test ends. */
  arrive: async ({ browser }, use) => {
    const contexts: BrowserContext[] = [];
    await use(async (url = '/', options = {}) => {
      const context = await browser.newContext(options);
      contexts.push(context);
      await serveDist(context);
      return openPage(context, url);
    });
    for (const context of contexts) await context.close();
  },
});

/**
 * With PAGE_DIST the page comes from that folder and not from the server's binary, so that a
 * change of the page can be tested without a build of the server.
 */
export async function serveDist(context: BrowserContext): Promise<void> {
  const dist = process.env.PAGE_DIST;
  if (!dist) return;
  const isOurs = ({ pathname }: URL) => /^\/(|index\.html|app\.js|app\.css|solver\.js)$/.test(pathname);
  await context.route(isOurs, (route) => {
    const { pathname } = new URL(route.request().url());
    return route.fulfill({ path: join(dist, pathname === '/' ? 'index.html' : pathname) });
  });
}

/** A page that fails the test on errors and on violations of the Content Security Policy. */
async function openPage(context: BrowserContext, url: string): Promise<Page> {
  const page = await context.newPage();
  page.on('pageerror', (error) => {
    throw error;
  });
  page.on('console', (message) => {
    if (/Content Security Policy/.test(message.text())) throw new Error(message.text());
  });
  await page.goto(url);
  return page;
}

/** Opens the first match of the demo. */
export async function openMatch(page: Page): Promise<void> {
  await goToMatch(page);
  await expect(live(page)).toHaveClass(/live-live/);
}

/** The same without waiting for the stream. */
export async function goToMatch(page: Page): Promise<void> {
  await page
    .locator('.match-card-open', { hasText: /Jamsil|잠실/ })
    .first()
    .click();
}

export const live = (page: Page): Locator => page.getByTestId('live');

export async function showList(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'List', exact: true }).click();
}

/** Opens the last block with free seats, because other tests and simulated fans start at the first block. */
export async function openBlock(page: Page): Promise<string> {
  await showList(page);
  const block = page.locator('.list-block:enabled').last();
  const name = await block.locator('strong').innerText();
  await block.click();
  return name;
}

export async function openBlockNamed(page: Page, name: string): Promise<void> {
  await showList(page);
  await page.locator('.list-block', { has: page.getByText(name, { exact: true }) }).click();
}

export const freeSeats = (page: Page): Locator => page.locator('.list-seat.seat-available');

/** The name of a seat without price and state: `Infield Home 407, row 3, seat 12`. */
export async function seatName(seat: Locator): Promise<string> {
  const label = (await seat.getAttribute('aria-label')) ?? '';
  return label.split(', ').slice(0, 3).join(', ');
}

export const seatNamed = (page: Page, name: string): Locator =>
  page.locator(`.list-seat[aria-label^="${name},"]`);

/** Signs up as a new fan in the log-in window. */
export async function signUp(page: Page): Promise<string> {
  fans += 1;
  const email = `fan-${Date.now()}-${fans}@example.com`;
  await page.getByRole('button', { name: 'New here? Sign up' }).click();
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('dialog').getByRole('button', { name: 'Sign up', exact: true }).click();
  await expect(page.getByRole('dialog')).toBeHidden();
  return email;
}

/** Signs up a new fan, and returns the e-mail address. */
export async function comeAsNewFan(page: Page): Promise<string> {
  await page.getByRole('button', { name: 'Log in' }).click();
  return signUp(page);
}

export async function logIn(page: Page, email: string, password = PASSWORD): Promise<void> {
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('dialog').getByRole('button', { name: 'Log in', exact: true }).click();
  await expect(page.getByRole('dialog')).toBeHidden();
}

export async function holdBest(page: Page): Promise<void> {
  await page.getByTestId('best').click();
  await expect(page.getByTestId('held')).toBeVisible();
}

export async function reserve(page: Page): Promise<void> {
  await page.getByTestId('reserve').click();
  await expect(page.getByTestId('ticket')).toHaveAttribute('data-status', 'PENDING');
}

export type PayChoice = 'approve' | 'refused' | 'decline' | 'abandon';

/** Goes to the pay page of the gateway's emulator and makes a choice there. */
export async function pay(page: Page, choice: PayChoice): Promise<void> {
  await page.getByTestId('pay').click();
  await page.locator(`button[formaction*="/pay/${choice}"]`).click();
}

export const ticket = (page: Page): Locator => page.getByTestId('ticket');
