// A person at the page: what they do, by what they see.

import { expect, test as base, type BrowserContext, type Locator, type Page } from '@playwright/test';

let fans = 0;

export const test = base.extend<{ arrive: (url?: string) => Promise<Page> }>({
  /** Each call is another person: a context of its own, closed when the test ends. */
  arrive: async ({ browser }, use) => {
    const contexts: BrowserContext[] = [];
    await use(async (url = '/') => {
      const context = await browser.newContext();
      contexts.push(context);
      return openPage(context, url);
    });
    for (const context of contexts) await context.close();
  },
});

/** A page that fails the test on whatever the browser complains of. */
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

/** Opens the first match that is on sale without a waiting room. */
export async function openMatch(page: Page): Promise<void> {
  await page
    .locator('.match-card-open', { hasText: 'On sale' })
    .filter({ hasNotText: 'Waiting room' })
    .first()
    .click();
  await expect(live(page)).toHaveText('Live');
}

export const live = (page: Page): Locator => page.getByTestId('live');

export async function showList(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'List', exact: true }).click();
}

/** Opens the last block that has seats left: tests and invented fans start from the first. */
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

/** The name of a seat without price and state: `Block 407 Row 3 Seat 12`. */
export async function seatName(seat: Locator): Promise<string> {
  const label = (await seat.getAttribute('aria-label')) ?? '';
  return label.split(',')[0];
}

export const seatNamed = (page: Page, name: string): Locator =>
  page.locator(`.list-seat[aria-label^="${name},"]`);

/** Fills the log-in window as somebody new. */
export async function signUp(page: Page): Promise<string> {
  fans += 1;
  const email = `fan-${Date.now()}-${fans}@example.com`;
  await page.getByRole('button', { name: 'New here? Sign up' }).click();
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password').fill('a long password');
  await page.getByRole('dialog').getByRole('button', { name: 'Sign up', exact: true }).click();
  await expect(page.getByRole('dialog')).toBeHidden();
  return email;
}

export async function comeAsNewFan(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Log in' }).click();
  await signUp(page);
}

export async function holdBest(page: Page): Promise<void> {
  await page.getByTestId('best').click();
  await expect(page.getByTestId('held')).toBeVisible();
}

export async function reserve(page: Page): Promise<void> {
  await page.getByTestId('reserve').click();
  await expect(page.getByTestId('ticket')).toHaveAttribute('data-status', 'PENDING');
}

export type PayChoice = 'approve' | 'refused' | 'decline' | 'abandon' | 'unknown' | 'paused';

/** Goes to the pay page of the gateway's emulator (or of the mock) and chooses there. */
export async function pay(page: Page, choice: PayChoice): Promise<void> {
  await page.getByTestId('pay').click();
  await page.locator(`button[formaction*="/pay/${choice}"]`).click();
}

export const ticket = (page: Page): Locator => page.getByTestId('ticket');
