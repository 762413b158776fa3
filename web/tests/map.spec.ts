// The map of the stadium, with mouse and fingers.

import { expect, type CDPSession, type Page } from '@playwright/test';
import { openMatch, showList, test } from './support/fan';

const PHONE = { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true };

const here = (page: Page) => page.locator('.map-here');
const choice = (page: Page) => page.locator('.choice .lines li');

/** The middle of the map, and of the blocks behind the plate from far. */
async function spots(page: Page) {
  const box = (await page.getByRole('application').boundingBox())!;
  return {
    middle: { x: box.x + box.width / 2, y: box.y + box.height / 2 },
    block: { x: box.x + box.width * 0.52, y: box.y + box.height * 0.88 },
  };
}

test('a click on a block zooms in, a click on a seat chooses it, a button shows the whole stadium', async ({
  arrive,
}) => {
  const page = await arrive();
  await openMatch(page);
  const { middle, block } = await spots(page);
  await expect(here(page)).toBeHidden();
  await page.mouse.click(block.x, block.y);
  await expect(here(page)).toContainText(/Block 2\d\d/);

  // The map names a seat before the click.
  await expect(async () => {
    await page.mouse.move(middle.x + Math.random() * 40, middle.y + Math.random() * 40);
    await expect(page.locator('.tip')).toContainText(/\d+, row \d+, seat \d+/, { timeout: 300 });
  }).toPass();
  const name = await page.locator('.tip strong').innerText();
  await page.mouse.down();
  await page.mouse.up();
  await expect(choice(page)).toContainText(name);

  await page.getByRole('button', { name: 'Whole stadium' }).click();
  await expect(here(page)).toBeHidden();
});

test('the wheel zooms at the pointer, a drag moves the map', async ({ arrive }) => {
  const page = await arrive();
  await openMatch(page);
  const { block } = await spots(page);
  await page.mouse.move(block.x, block.y);
  await expect(async () => {
    await page.mouse.wheel(0, -150);
    await expect(here(page)).toBeVisible({ timeout: 200 });
  }).toPass();
  const before = await here(page).locator('strong').innerText();
  await page.mouse.down();
  await page.mouse.move(block.x - 700, block.y - 80, { steps: 5 });
  await page.mouse.up();
  await expect(here(page).locator('strong')).not.toHaveText(before);
  await expect(choice(page)).toHaveCount(0);
});

test('two fingers zoom the map, and a finger chooses only seats that it can hit', async ({
  arrive,
}) => {
  const page = await arrive('/', PHONE);
  await openMatch(page);
  const { block } = await spots(page);
  const fingers = await page.context().newCDPSession(page);
  await pinch(fingers, block, 15, 150);
  await expect(here(page)).toContainText('Block');

  // Seats are still too small for a finger, so a tap zooms in and the next tap chooses.
  await expect(async () => {
    await page.touchscreen.tap(block.x + Math.random() * 30, block.y - Math.random() * 60);
    await expect(choice(page)).toHaveCount(1, { timeout: 700 });
  }).toPass();
});

/** Two fingers, `from` and then `to` pixels away from a point each. */
async function pinch(fingers: CDPSession, at: { x: number; y: number }, from: number, to: number) {
  const both = (away: number) => [
    { x: at.x - away, y: at.y, id: 1 },
    { x: at.x + away, y: at.y, id: 2 },
  ];
  const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd', touchPoints: object[]) =>
    fingers.send('Input.dispatchTouchEvent', { type, touchPoints: touchPoints as never });
  await touch('touchStart', both(from));
  for (let step = 1; step <= 5; step += 1) {
    await touch('touchMove', both(from + ((to - from) * step) / 5));
  }
  await touch('touchEnd', []);
}

test('grades and prices are a legend and a filter', async ({ arrive }) => {
  const page = await arrive();
  await openMatch(page);
  const filter = page.getByRole('region', { name: 'Grades and prices' });
  await expect(filter.getByRole('button')).toHaveText([/₩\d/, /₩/, /₩/, /₩/, /₩/, /₩/, /₩/, /₩/]);
  await expect(page.locator('.legend')).toContainText('Sold');
  await showList(page);
  const blocks = page.locator('.list-block');
  const all = await blocks.count();

  await filter.getByRole('button', { name: 'Premium' }).click();
  await expect(blocks.first()).toContainText('Premium');
  const premium = await blocks.count();
  expect(premium).toBeLessThan(all);
  await filter.getByRole('button', { name: 'Clear filters' }).click();
  await expect(blocks).toHaveCount(all);

  await filter.getByLabel('Highest price').selectOption({ index: 1 });
  expect(await blocks.count()).toBeLessThan(all);
  await expect(blocks.filter({ hasText: 'Premium' })).toHaveCount(0);
});

test('the best seats are searched where the fan wishes', async ({ arrive }) => {
  const page = await arrive();
  await openMatch(page);
  const form = page.getByRole('form', { name: 'Best seats for me' });
  await form.getByRole('button', { name: 'One seat more' }).click();
  await form.getByLabel('Grade').selectOption({ index: 2 });
  const asked = page.waitForRequest('**/holds');
  await form.getByTestId('best').click();
  await page.getByRole('button', { name: 'New here? Sign up' }).click();
  await page.getByLabel('E-mail').fill(`best-${Date.now()}@example.com`);
  await page.getByLabel('Password').fill('a long password');
  await page.keyboard.press('Enter');
  const { bestAvailable } = (await asked).postDataJSON();
  expect(bestAvailable).toMatchObject({ count: 3, adjacent: true });
  expect(bestAvailable.grade).toBeTruthy();
  await expect(page.getByTestId('held').locator('.lines li')).toHaveCount(3);
});

test('a map at rest requests no frames', async ({ arrive }) => {
  const page = await arrive();
  await page.addInitScript(() => {
    const request = window.requestAnimationFrame.bind(window);
    window.requestAnimationFrame = (draw) => {
      (window as any).frames_ = ((window as any).frames_ ?? 0) + 1;
      return request(draw);
    };
  });
  await page.reload();
  await openMatch(page);
  const asked = () => page.evaluate(() => (window as any).frames_ as number);
  const inASecond = async () => {
    const before = await asked();
    await page.waitForTimeout(1000);
    return (await asked()) - before;
  };
  expect(await asked()).toBeGreaterThan(0);
  await expect.poll(inASecond).toBeLessThan(3);
});
