import { expect, type Page } from '@playwright/test';
import { line } from './support/cut';
import {
  comeAsNewFan,
  freeSeats,
  goToMatch,
  holdBest,
  live,
  openBlock,
  openBlockNamed,
  openMatch,
  reserve,
  seatName,
  seatNamed,
  test,
} from './support/fan';

/** Within this time, in ms, a change by one fan is on the maps of the others. */
const A_SECOND = 1000;

const responseTo = (page: Page, method: string, path: string) =>
  page.waitForResponse(
    (response) => response.request().method() === method && response.url().includes(path),
  );

test('two fans see each other’s holds within a second', async ({ arrive }) => {
  const [ann, ben] = [await arrive(), await arrive()];
  await comeAsNewFan(ann);
  await openMatch(ann);
  await openMatch(ben);
  const block = await openBlock(ann);
  await openBlockNamed(ben, block);

  const seat = freeSeats(ann).last();
  const name = await seatName(seat);
  await seat.click();
  const held = responseTo(ann, 'POST', '/holds');
  await ann.getByTestId('hold').click();
  await held;
  await expect(seatNamed(ben, name)).toHaveClass(/seat-hold/, { timeout: A_SECOND });
  await expect(ann.getByTestId('held')).toContainText(name);

  const givenBack = responseTo(ann, 'DELETE', '/holds/');
  await ann.getByTestId('give-back').click();
  await givenBack;
  await expect(seatNamed(ben, name)).toHaveClass(/seat-available/, { timeout: A_SECOND });
});

test('a seat that someone else takes leaves the choice', async ({ arrive }) => {
  const [ann, ben] = [await arrive(), await arrive()];
  await comeAsNewFan(ann);
  await openMatch(ann);
  await openMatch(ben);
  await openBlockNamed(ben, await openBlock(ann));
  const name = await seatName(freeSeats(ann).last());
  await seatNamed(ben, name).click();
  await expect(ben.getByRole('region', { name: 'Your choice' })).toContainText(name);

  await seatNamed(ann, name).click();
  await ann.getByTestId('hold').click();
  await expect(ben.getByRole('region', { name: 'Your choice' })).not.toContainText(name);
  await expect(ben.getByText('Someone else took')).toBeVisible();
});

test('the stream of a fan who is logged in says who it is', async ({ arrive }) => {
  const page = await arrive();
  await comeAsNewFan(page);
  const asked = page.waitForRequest('**/seats/events*');
  await openMatch(page);
  expect(await (await asked).headerValue('authorization')).toMatch(/^Bearer /);
});

test('a page whose stream is refused shows the seats, and follows the changes', async ({ arrive }) => {
  const [ann, ben] = [await arrive(), await arrive()];
  // As for a visitor whose address has as many streams as it may.
  await ann.route('**/seats/events*', (route) => route.fulfill({ status: 429, json: {} }));
  await comeAsNewFan(ben);
  await goToMatch(ann);
  await openMatch(ben);
  await openBlockNamed(ann, await openBlock(ben));
  const name = await seatName(freeSeats(ben).last());
  await expect(seatNamed(ann, name)).toHaveClass(/seat-available/);
  await seatNamed(ben, name).click();
  await ben.getByTestId('hold').click();
  await expect(seatNamed(ann, name)).toHaveClass(/seat-hold/);
});

test('a node that refuses everything is asked for the seats once for each attempt', async ({ arrive }) => {
  const page = await arrive();
  let [streams, requests] = [0, 0];
  const refusal = { status: 503, headers: { 'retry-after': '1' }, json: {} };
  await page.route('**/seats/events*', (route) => ((streams += 1), route.fulfill(refusal)));
  await page.route('**/seats', (route) => ((requests += 1), route.fulfill(refusal)));
  await goToMatch(page);
  await expect.poll(() => streams).toBeGreaterThan(3);
  expect(requests).toBeGreaterThan(0);
  expect(requests).toBeLessThanOrEqual(streams);
});

test('a cut connection is shown, and the map is correct again afterwards', async ({
  arrive,
  baseURL,
}) => {
  const between = await line(baseURL ?? '');
  const [ann, ben] = [await arrive(between.url), await arrive()];
  await comeAsNewFan(ben);
  await openMatch(ann);
  await openMatch(ben);
  await openBlockNamed(ann, await openBlock(ben));
  const name = await seatName(freeSeats(ben).last());
  await expect(seatNamed(ann, name)).toHaveClass(/seat-available/);

  between.cut();
  await expect(live(ann)).toHaveText('Disconnected');
  await expect(ann.getByRole('alert')).toContainText('last known state of the seats');
  await seatNamed(ben, name).click();
  await ben.getByTestId('hold').click();
  await expect(ben.getByTestId('held')).toBeVisible();

  between.mend();
  await expect(seatNamed(ann, name)).toHaveClass(/seat-hold/);
  await expect(live(ann)).toHaveText('Live');
  await expect(ann.getByRole('alert')).toBeHidden();
  between.close();
});

test('a device without a network says so at once, and continues when it has one', async ({ arrive }) => {
  const page = await arrive();
  await openMatch(page);
  await page.context().setOffline(true);
  await expect(live(page)).toHaveText('Disconnected');
  await expect(page.getByRole('alert')).toBeVisible();
  await page.context().setOffline(false);
  await expect(live(page)).toHaveText('Live');
});

test('a network that swallows everything does not look live', async ({ arrive, baseURL }) => {
  const between = await line(baseURL ?? '');
  const page = await arrive(between.url);
  await openMatch(page);
  between.freeze();
  // A phone that changes its network fires this event.
  await page.evaluate(() => window.dispatchEvent(new Event('online')));
  await expect(live(page)).toHaveText('Disconnected');
  between.cut();
  between.mend();
  await expect(live(page)).toHaveText('Live');
  between.close();
});

// The stream sends nothing any more, while everything else works.
test('a silent dead stream does not look live', async ({ arrive, baseURL }) => {
  const between = await line(baseURL ?? '');
  const page = await arrive(between.url);
  await openMatch(page);
  between.deafen('later');
  // The page waits for two missed heartbeats of 15 seconds.
  await expect(live(page)).toHaveText('Disconnected', { timeout: 40_000 });
  await expect(page.getByRole('alert')).toContainText('last known state of the seats');
  between.mend();
  // A phone that wakes up fires this event.
  await page.evaluate(() => window.dispatchEvent(new Event('online')));
  await expect(live(page)).toHaveText('Live');
  await expect(page.getByRole('alert')).toBeHidden();
  between.close();
});

test('a stream that died while the tab slept is opened again when the tab wakes up', async ({
  arrive,
  baseURL,
}) => {
  const between = await line(baseURL ?? '');
  const [ann, ben] = [await arrive(between.url), await arrive()];
  await comeAsNewFan(ben);
  await openMatch(ann);
  await openMatch(ben);
  await openBlockNamed(ann, await openBlock(ben));
  for (const event of ['visibilitychange', 'pageshow', 'online']) {
    const name = await seatName(freeSeats(ben).last());
    await expect(seatNamed(ann, name)).toHaveClass(/seat-available/);
    between.deafen('now');
    await seatNamed(ben, name).click();
    await ben.getByTestId('hold').click();
    await expect(ben.getByTestId('held')).toBeVisible();
    await expect(seatNamed(ann, name)).toHaveClass(/seat-available/);
    await ann.evaluate((kind) => {
      (kind === 'visibilitychange' ? document : window).dispatchEvent(new Event(kind));
    }, event);
    await expect(seatNamed(ann, name)).toHaveClass(/seat-hold/, { timeout: 5000 });
    await ben.getByTestId('give-back').click();
    await expect(seatNamed(ann, name)).toHaveClass(/seat-available/);
  }
  between.close();
});

test('a refusal that contradicts the map corrects the map', async ({ arrive, baseURL }) => {
  const between = await line(baseURL ?? '');
  const [ann, ben] = [await arrive(between.url), await arrive()];
  await comeAsNewFan(ann);
  await comeAsNewFan(ben);
  await openMatch(ann);
  await openMatch(ben);
  await openBlockNamed(ann, await openBlock(ben));
  const name = await seatName(freeSeats(ben).last());
  await seatNamed(ann, name).click();
  between.deafen('now');
  await seatNamed(ben, name).click();
  await ben.getByTestId('hold').click();
  await expect(ben.getByTestId('held')).toBeVisible();
  await ann.getByTestId('hold').click();
  await expect(ann.getByText('Someone else was faster')).toBeVisible();
  await expect(seatNamed(ann, name)).toHaveClass(/seat-hold/, { timeout: 6000 });
  between.close();
});

test('the page waits for a server that restarts, and the fan continues', async ({
  arrive,
  server,
}) => {
  test.skip(!server.isOurs, 'a server of somebody else is not stopped');
  const [ann, ben] = [await arrive(), await arrive()];
  await comeAsNewFan(ann);
  await openMatch(ann);
  await openMatch(ben);
  await openBlockNamed(ben, await openBlock(ann));
  const name = await seatName(freeSeats(ann).last());
  await seatNamed(ann, name).click();
  await ann.getByTestId('hold').click();
  await expect(ann.getByTestId('held')).toBeVisible();
  await expect(seatNamed(ben, name)).toHaveClass(/seat-hold/);

  await server.stop();
  for (const page of [ann, ben]) {
    await expect(live(page)).toHaveText('Disconnected');
    await expect(page.getByRole('alert')).toContainText('last known state of the seats');
  }
  await server.run({});
  for (const page of [ann, ben]) await expect(live(page)).toHaveText('Live');

  // The hold and the fan's session survived the restart.
  await expect(ann.getByTestId('held')).toContainText(name);
  await expect(seatNamed(ben, name)).toHaveClass(/seat-hold/);
  await ann.getByTestId('give-back').click();
  await expect(seatNamed(ben, name)).toHaveClass(/seat-available/);
});

test('a deadline ends a hold, and a reservation', async ({ arrive, server }) => {
  test.skip(!server.isOurs, 'needs a server where time is short');
  await server.stop();
  await server.run({ GRANDSTAND_HOLD_TTL_MS: '6000', GRANDSTAND_PAYMENT_TTL_MS: '6000' });
  const page = await arrive();
  // The clock of this fan is wrong, but the countdown follows the server's clock.
  await page.addInitScript(() => {
    const now = Date.now;
    Date.now = () => now() + 3_600_000;
  });
  await page.reload();
  await comeAsNewFan(page);
  await openMatch(page);
  await holdBest(page);
  await expect(page.getByTestId('countdown')).toHaveText(/^0:0[1-6]$/);
  await expect(page.getByTestId('held')).toBeHidden();
  await expect(page.getByText('Time is up')).toBeVisible();

  await holdBest(page);
  await reserve(page);
  await expect(page.getByTestId('countdown')).toHaveText(/^0:0[1-6]$/);
  await expect(page.getByTestId('ticket')).toHaveAttribute('data-status', 'EXPIRED');
  await expect(page.getByRole('link', { name: 'Choose seats again' })).toBeVisible();

  await server.stop();
  await server.run({});
});
