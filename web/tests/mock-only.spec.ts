// What only the mock can be made to do: a gateway that keeps silent, paused payments, a short line.

import { expect } from '@playwright/test';
import { comeAsNewFan, holdBest, openMatch, pay, reserve, signUp, test, ticket } from './support/fan';

test.skip(process.env.GRANDSTAND_URL !== undefined, 'needs the mock');

test('an outcome that nobody knows yet is waited for', async ({ arrive }) => {
  const page = await arrive();
  await comeAsNewFan(page);
  await openMatch(page);
  await holdBest(page);
  await reserve(page);
  await pay(page, 'unknown');
  await expect(page.getByTestId('payment')).toContainText('do not pay again');
  await expect(ticket(page)).toHaveAttribute('data-status', 'CONFIRMED');
});

test('paused payments are called that, and tried again', async ({ arrive }) => {
  const page = await arrive();
  await comeAsNewFan(page);
  await openMatch(page);
  await holdBest(page);
  await reserve(page);
  await pay(page, 'paused');
  await expect(page.getByTestId('payment')).toContainText('Payments are paused');
  await expect(ticket(page)).toHaveAttribute('data-status', 'CONFIRMED');
});

test('the waiting room lets a fan in by turn', async ({ arrive }) => {
  const page = await arrive();
  await page.locator('.match-card-open', { hasText: 'Waiting room' }).click();
  await page.getByTestId('join').click();
  await signUp(page);
  await expect(page.getByTestId('ahead')).toBeVisible();
  await expect(page.getByText('You are in: choose your seats now.')).toBeVisible();
  await holdBest(page);
});

test('a match that is not yet on sale can’t be opened', async ({ arrive }) => {
  const page = await arrive();
  const draft = page.locator('.match-card', { hasText: 'Not yet on sale' });
  await expect(draft).toBeVisible();
  await expect(page.getByRole('link').filter({ hasText: 'Not yet on sale' })).toHaveCount(0);
});
