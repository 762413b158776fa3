// The page for people who use it otherwise than with a mouse, in English, by day.

import { expect, type Locator, type Page } from '@playwright/test';
import { live, openMatch, test } from './support/fan';

/** Presses Tab until something has the focus; fails when a whole round does not reach it. */
async function tabTo(page: Page, target: Locator): Promise<void> {
  await expect(target).toBeVisible();
  for (let presses = 0; presses < 150; presses += 1) {
    if (await target.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error('Tab never reaches it');
}

test('the keyboard alone is enough to reserve a seat', async ({ arrive }) => {
  const page = await arrive();
  const card = page.locator('.match-card-open', { hasText: 'On sale' });
  await tabTo(page, card.filter({ hasNotText: 'Waiting room' }).first());
  await page.keyboard.press('Enter');
  await expect(live(page)).toHaveText('Live');

  await tabTo(page, page.getByRole('button', { name: 'List', exact: true }));
  await page.keyboard.press('Enter');
  await tabTo(page, page.locator('.list-block:enabled').first());
  await page.keyboard.press('Enter');
  await tabTo(page, page.locator('.list-seat').first());
  for (let steps = 0; steps < 400; steps += 1) {
    const focus = page.locator('.list-seat:focus');
    if (/seat-available/.test((await focus.getAttribute('class')) ?? '')) break;
    await page.keyboard.press(steps % 20 === 19 ? 'ArrowDown' : 'ArrowRight');
  }
  await page.keyboard.press('Space');

  await tabTo(page, page.getByTestId('hold'));
  await page.keyboard.press('Enter');
  await tabTo(page, page.getByRole('button', { name: 'New here? Sign up' }));
  await page.keyboard.press('Enter');
  await tabTo(page, page.getByLabel('E-mail'));
  await page.keyboard.type(`keys-${Date.now()}@example.com`);
  await page.keyboard.press('Tab');
  await page.keyboard.type('a long password');
  await page.keyboard.press('Enter');

  await tabTo(page, page.getByTestId('reserve'));
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('ticket')).toHaveAttribute('data-status', 'PENDING');
  await tabTo(page, page.getByTestId('pay'));
});

test('the map comes near with the keyboard and tells where one is', async ({ arrive }) => {
  const page = await arrive();
  await openMatch(page);
  await page.getByRole('application').focus();
  const here = page.locator('.map-here');
  // Seats begin to show from a few steps on; down from the middle lie those behind the plate.
  for (let steps = 0; steps < 4; steps += 1) {
    await page.keyboard.press('+');
    await page.waitForTimeout(600);
  }
  await expect(async () => {
    await page.keyboard.press('ArrowDown');
    await expect(here).toContainText('Block', { timeout: 100 });
  }).toPass();
});

test('without WebGL the list takes the place of the map', async ({ context }) => {
  await context.addInitScript(() => {
    HTMLCanvasElement.prototype.getContext = () => null;
  });
  const page = await context.newPage();
  await page.goto('/');
  await openMatch(page);
  await expect(page.getByText('no WebGL')).toBeVisible();
  await expect(page.locator('.list-block').first()).toBeVisible();
});

test('language and colours are switched and remembered', async ({ arrive }) => {
  const page = await arrive();
  await page.getByRole('button', { name: 'Read in Korean' }).click();
  await expect(page.locator('html')).toHaveAttribute('lang', 'ko');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('어느 경기를 보러 갈까요?');
  await page.getByRole('button', { name: '어두운 화면으로' }).click();
  await page.reload();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  await expect(page.locator('html')).toHaveAttribute('lang', 'ko');
});
