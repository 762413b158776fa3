// What a fan is told about refunds, cool-downs and the end of a sale.

import { expect, type Page } from '@playwright/test';
import { Person, smallMatch } from './support/backstage';
import { comeAsNewFan, holdBest, pay, reserve, test, ticket } from './support/fan';

const STARTS_AT = '2040-05-05T05:00:00Z';

/** Changes the terms of a match that `smallMatch` has made. */
async function setTerms(url: string, match: string, homeTeam: string, terms: object): Promise<void> {
  const admin = await Person.admin(url);
  const { siteId } = await admin.call('GET', `/api/matches/${match}`);
  const body = { siteId, homeTeam, awayTeam: 'The World', startsAt: STARTS_AT, ...terms };
  await admin.call('PUT', `/api/admin/matches/${match}`, body);
}

async function buy(page: Page): Promise<void> {
  await comeAsNewFan(page);
  await holdBest(page);
  await reserve(page);
}

test('fee and sum are shown before the fan cancels', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Fee Town', 8);
  await setTerms(server.url, match, 'Fee Town', { refundFees: [{ until: STARTS_AT, percent: 10 }] });
  const page = await arrive(`/#/matches/${match}`);
  await buy(page);
  const refund = page.getByTestId('refund');
  await expect(refund).toContainText(/until .*5 May 2040/);
  await expect(refund).toContainText('a fee of ₩200');
  await pay(page, 'approve');
  await expect(ticket(page)).toHaveAttribute('data-status', 'CONFIRMED');
  await page.getByTestId('cancel').click();
  const sums = page.getByTestId('refund-sums');
  await expect(sums).toContainText('₩200');
  await expect(sums).toContainText('₩1,800');
  await page.getByTestId('cancel-yes').click();
  await expect(ticket(page)).toHaveAttribute('data-status', 'CANCELLED');
  await expect(refund).toHaveText('₩1,800 goes back to you. The fee was ₩200.');
});

test('a fan who can’t give tickets back any more is told so', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Late Town', 8);
  await setTerms(server.url, match, 'Late Town', { refundableUntil: '2025-01-01T00:00:00Z' });
  const page = await arrive(`/#/matches/${match}`);
  await buy(page);
  await pay(page, 'approve');
  await expect(ticket(page)).toHaveAttribute('data-status', 'CONFIRMED');
  await expect(page.getByTestId('refund')).toContainText('too late to give these tickets back');
  await expect(page.getByTestId('cancel')).toBeHidden();
});

test('a cool-down is counted down', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Cool Town', 8);
  const page = await arrive(`/#/matches/${match}`);
  await comeAsNewFan(page);
  const until = new Date(Date.now() + 5_000).toISOString();
  await page.route(`**/api/matches/${match}/holds`, (route) => {
    if (route.request().method() !== 'POST') return route.continue();
    const body = JSON.stringify({ status: 429, code: 'COOL_DOWN', detail: 'Wait.', until });
    const headers = { 'content-type': 'application/problem+json', 'retry-after': '5' };
    return route.fulfill({ status: 429, headers, body });
  });
  await page.getByTestId('best').click();
  const pause = page.getByTestId('cool-down');
  await expect(pause.getByTestId('countdown')).toHaveText(/^0:0[1-5]$/);
  await expect(page.getByTestId('best')).toBeDisabled();
  await page.unroute(`**/api/matches/${match}/holds`);
  await expect(pause).toBeHidden({ timeout: 10_000 });
  await holdBest(page);
});

test('held seats are gone when the sale ends, and the fan is told why', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'End Town', 8);
  const page = await arrive(`/#/matches/${match}`);
  await comeAsNewFan(page);
  await holdBest(page);
  await (await Person.admin(server.url)).call('POST', `/api/admin/matches/${match}/close`);
  await expect(page.getByText('The sale has ended. Seats that you held')).toBeVisible();
  await expect(page.getByTestId('held')).toBeHidden();
});

test('a match for verified addresses says so', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Mail Town', 8);
  await setTerms(server.url, match, 'Mail Town', { holdsNeedVerifiedEmail: true });
  const page = await arrive(`/#/matches/${match}`);
  await expect(page.getByText('sells only to people who have confirmed')).toBeVisible();
});
