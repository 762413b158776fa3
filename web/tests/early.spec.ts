// A match opens in few steps: its stream does not wait for the plan.

import { expect } from '@playwright/test';
import { Person, smallMatch } from './support/backstage';
import { live, showList, test } from './support/fan';

test('the stream opens while the plan is on its way, and no change is lost', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Early Town', 8);
  const other = await Person.signUp(server.url);
  const page = await arrive('/');
  let send = () => undefined as void;
  const asked = new Promise<void>((resolve) => (send = resolve));
  await page.route('**/api/sites/*', async (route) => {
    await asked;
    await route.continue();
  });
  const stream = page.waitForResponse(`**/api/matches/${match}/seats/events*`);
  await page.goto(`/#/matches/${match}`);
  await stream;
  await other.call('POST', `/api/matches/${match}/holds`, { seatIds: [1] });
  await expect(page.locator('.seats-left')).toHaveCount(0);
  send();
  await expect(live(page)).toHaveText('Live');
  await expect(page.locator('.seats-left').first()).toHaveText('7 of 8 seats left');
  await showList(page);
  await page.locator('.list-block').click();
  await expect(page.locator('.list-seat.seat-available')).toHaveCount(7);
});

test('a match with a waiting room has no stream of seats for people who wait', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Queue Town', 8);
  const admin = await Person.admin(server.url);
  await admin.call('PUT', `/api/admin/matches/${match}/queue`, { enabled: true, paused: true });
  const page = await arrive('/');
  const streams: string[] = [];
  page.on('request', (request) => {
    const { pathname } = new URL(request.url());
    if (pathname.endsWith('/events')) streams.push(pathname.split('/').slice(4).join('/'));
  });
  await page.goto(`/#/matches/${match}`);
  await expect(page.getByTestId('join')).toBeVisible();
  await expect.poll(() => streams).toEqual(['queue/events']);
});
