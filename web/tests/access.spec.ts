// The page without a mouse: keyboard, phone, accessibility rules. In English, in light colours.

import { expect } from '@playwright/test';
import { audit, BY_DAY, tabTo } from './support/audit';
import { announcedMatch, openQueue, smallMatch } from './support/backstage';
import {
  freeSeats,
  holdBest,
  live,
  openBlock,
  openMatch,
  pay,
  reserve,
  signUp,
  test,
  ticket,
} from './support/fan';

test('the keyboard alone is enough to buy a seat', async ({ arrive }) => {
  const page = await arrive();
  await tabTo(page, page.locator('.match-card-open', { hasText: 'Jamsil' }).first());
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
  await page.keyboard.press('Enter');
  await tabTo(page, page.locator('button[formaction*="/pay/approve"]'));
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('ticket')).toHaveAttribute('data-status', 'CONFIRMED');
});

test('the keyboard zooms the map, the map names the block, and Enter chooses a seat', async ({
  arrive,
}) => {
  const page = await arrive();
  await openMatch(page);
  const map = page.getByRole('application');
  await map.focus();
  const nearer = async () => {
    await page.keyboard.press('+');
    await expect(page.locator('.map-here')).toContainText('Block', { timeout: 1000 });
  };
  await expect(nearer).toPass();
  const chosen = page.getByRole('region', { name: 'Your choice' }).locator('li');
  // Enter zooms in until seats are large enough. If the middle of the map is an aisle, the next step
  // reaches a seat.
  const choose = async () => {
    await page.keyboard.press('Enter');
    await page.waitForTimeout(600);
    const count = await chosen.count();
    if (count === 0) await page.keyboard.press('ArrowLeft');
    return count;
  };
  await expect.poll(choose, { intervals: [100] }).toBe(1);
});

test('without WebGL the list replaces the map', async ({ context }) => {
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

test('nothing is wider than a phone, however narrow', async ({ arrive, server }) => {
  const announced = await announcedMatch(server.url, 'Narrow Town', 3_600_000, { randomPreQueue: true });
  for (const locale of ['en-GB', 'ko-KR']) {
    const viewport = { width: 320, height: 640 };
    const page = await arrive('/', { viewport, hasTouch: true, isMobile: true, locale });
    const fits = async () => {
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(320);
    };
    await fits();
    await openMatch(page);
    await fits();
    await page.getByTestId('best').click();
    await fits();
    await page.locator('dialog .link').last().click();
    await page.locator('input[name=email]').fill(`narrow-${locale}-${Date.now()}@example.com`);
    await page.locator('input[name=password]').fill('a long password');
    await page.keyboard.press('Enter');
    await page.getByTestId('reserve').click();
    await expect(page.getByTestId('pay')).toBeVisible();
    await fits();
    await page.goto('/#/account');
    await expect(page.locator('.log-ins li').first()).toBeVisible();
    await fits();
    await page.goto('/#/reservations');
    await expect(page.locator('.match-card').first()).toBeVisible();
    await fits();
    await page.goto(`/#/matches/${announced}`);
    await page.getByTestId('join').click();
    await page.locator('.draw summary').click();
    await expect(page.locator('.draw code')).toBeVisible();
    await fits();
  }
});

test('each place of the page passes the accessibility rules, in both themes', async ({
  arrive,
  server,
}) => {
  const page = await arrive();
  await expect(page.locator('.match-card').first()).toBeVisible();
  await audit(page, 'matches');
  await page.getByRole('button', { name: 'Log in' }).click();
  await audit(page, 'log-in');
  await signUp(page);
  await openMatch(page);
  await audit(page, 'map');
  await openBlock(page);
  await freeSeats(page).last().click();
  await audit(page, 'seats of a block');
  await page.getByRole('button', { name: 'Sections' }).click();
  await audit(page, 'blocks', BY_DAY);
  await page.locator('.lines button').click();
  await holdBest(page);
  await audit(page, 'hold');
  await reserve(page);
  await audit(page, 'reservation', BY_DAY);
  await pay(page, 'refused');
  await expect(page.getByTestId('to-reservation')).toBeVisible();
  await audit(page, 'declined', BY_DAY);
  await page.getByTestId('to-reservation').click();
  await pay(page, 'approve');
  await expect(ticket(page)).toHaveAttribute('data-status', 'CONFIRMED');
  await page.getByTestId('cancel').click();
  await audit(page, 'ticket');
  await page.getByRole('link', { name: 'My tickets' }).click();
  await expect(page.locator('.match-card').first()).toBeVisible();
  await audit(page, 'my tickets', BY_DAY);

  const match = await smallMatch(server.url, 'Audit Town', 4);
  await openQueue(server.url, match, { paused: true });
  await page.goto(`/#/matches/${match}`);
  await page.getByTestId('join').click();
  await expect(page.getByTestId('ahead')).toBeVisible();
  await audit(page, 'waiting room');
  await openQueue(server.url, match, { passTtlMs: 3_600_000 });
  await expect(page.getByTestId('pass')).toBeVisible();
  await audit(page, 'pass');

  const announced = await announcedMatch(server.url, 'Audit City', 3_600_000, { randomPreQueue: true });
  await page.goto(`/#/matches/${announced}`);
  await page.getByTestId('join').click();
  await expect(page.getByTestId('ticket-number')).toHaveText('1');
  await page.getByText('How the draw works').click();
  await expect(page.getByText('Published when the sale opens')).toBeVisible();
  await audit(page, 'announced');
});
