// Many tabs in one browser, which over HTTP/1.1 share six connections to the server.

import { expect, type Page } from '@playwright/test';
import { openQueue, Person, smallMatch } from './support/backstage';
import { comeAsNewFan, live, showList, signUp, test } from './support/fan';

const TABS = 8;

/** How many event streams the server has open. */
async function streams(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^grandstand_streams (\d+)$/m.exec(text)?.[1] ?? 0);
}

/** As a browser tells a tab that comes to the front or leaves it. */
async function turn(page: Page, hidden: boolean): Promise<void> {
  await page.evaluate((value) => {
    Object.defineProperty(document, 'hidden', { value, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
}

async function tabs(first: Page, count: number, address: string): Promise<Page[]> {
  const all = [first];
  while (all.length < count) {
    const page = await first.context().newPage();
    await page.goto(address);
    all.push(page);
  }
  return all;
}

test('eight tabs in the waiting room leave connections for everything else', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Tab Town', 8);
  await openQueue(server.url, match, { paused: true });
  const first = await arrive(`/#/matches/${match}`);
  await first.getByTestId('join').click();
  await signUp(first);
  const all = await tabs(first, TABS, `/#/matches/${match}`);
  for (const page of all) await expect(page.getByText('1 person is waiting')).toBeVisible();
  await expect.poll(() => streams(server.operationsUrl)).toBe(1);
  const last = all[TABS - 1];
  // All tabs of a browser are one person.
  await expect(last.getByRole('button', { name: 'Log out' })).toBeVisible();
  await (await Person.signUp(server.url)).call('POST', `/api/matches/${match}/queue`);
  for (const page of all) await expect(page.getByText('2 people are waiting')).toBeVisible();

  // The tab with the stream closes, and another tab takes over.
  await first.close();
  await openQueue(server.url, match, { paused: true, passTtlMs: 20_000 });
  const other = await Person.signUp(server.url);
  await other.call('POST', `/api/matches/${match}/queue`);
  for (const page of all.slice(1)) {
    await expect(page.getByText('3 people are waiting')).toBeVisible();
  }
  await expect.poll(() => streams(server.operationsUrl)).toBe(1);
});

test('eight tabs with the map show the same seats over one stream', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Map Town', 8);
  const first = await arrive(`/#/matches/${match}`);
  await comeAsNewFan(first);
  const all = await tabs(first, TABS, `/#/matches/${match}`);
  const seats = async (text: string) => {
    for (const page of all) await expect(page.getByText(text)).toBeVisible();
  };
  await seats('8 of 8 seats left');
  await expect.poll(() => streams(server.operationsUrl)).toBe(1);
  const buyer = await Person.signUp(server.url);
  await buyer.call('POST', `/api/matches/${match}/holds`, { seatIds: [1, 2] });
  await seats('6 of 8 seats left');
  for (const page of all) await expect(live(page)).toHaveText('Live');

  // The tab with the stream is hidden, so it closes the stream, and another tab takes over.
  await turn(first, true);
  await expect(live(first)).toHaveText('Paused');
  const others = all.slice(1);
  await buyer.call('POST', `/api/matches/${match}/holds`, { seatIds: [3] });
  for (const page of others) await expect(page.getByText('5 of 8 seats left')).toBeVisible();
  for (const page of others) await turn(page, true);
  await expect.poll(() => streams(server.operationsUrl)).toBe(0);
  await buyer.call('POST', `/api/matches/${match}/holds`, { seatIds: [4] });
  for (const page of all) await turn(page, false);
  await seats('4 of 8 seats left');
  await expect.poll(() => streams(server.operationsUrl)).toBe(1);
});

test('another tab takes the stream from a tab that hangs', async ({
  arrive,
  server,
}) => {
  const match = await smallMatch(server.url, 'Dead Town', 8);
  const first = await arrive(`/#/matches/${match}`);
  await expect(live(first)).toHaveText('Live');
  // It hangs for longer than the other tab waits for its reply.
  const hanging = first.evaluate(() => {
    const end = performance.now() + 12_000;
    while (performance.now() < end);
  });
  const second = await first.context().newPage();
  await second.goto(`/#/matches/${match}`);
  await expect(second.getByText('8 of 8 seats left')).toBeVisible();
  await expect(live(second)).toHaveText('Live');
  await hanging;
  const buyer = await Person.signUp(server.url);
  await buyer.call('POST', `/api/matches/${match}/holds`, { seatIds: [1] });
  for (const page of [first, second]) {
    await expect(page.getByText('7 of 8 seats left')).toBeVisible();
  }
  await expect.poll(() => streams(server.operationsUrl)).toBe(1);
});

test('a browser without locks has a stream for each tab', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Plain Town', 8);
  await openQueue(server.url, match, { paused: true });
  const page = await arrive();
  await page.addInitScript(() => {
    // A page without TLS has no locks.
    delete (Navigator.prototype as { locks?: unknown }).locks;
  });
  await page.goto(`/#/matches/${match}`);
  await page.reload();
  await expect(page.getByText('0 people are waiting')).toBeVisible();
  await page.getByTestId('join').click();
  await signUp(page);
  await expect(page.getByText('1 person is waiting')).toBeVisible();
  await expect.poll(() => streams(server.operationsUrl)).toBe(1);
  await page.getByRole('button', { name: 'Look at the seats' }).click();
  await showList(page);
  await expect(live(page)).toHaveText('Live');
  await expect.poll(() => streams(server.operationsUrl)).toBe(1);
  // The tab of a fan who does not wait has no stream while it is hidden.
  await page.getByRole('button', { name: 'Back to the waiting room' }).click();
  page.once('dialog', (dialog) => void dialog.accept());
  await page.getByRole('button', { name: 'Leave the line' }).click();
  await expect(page.getByTestId('join')).toBeVisible();
  await turn(page, true);
  await expect.poll(() => streams(server.operationsUrl)).toBe(0);
});
