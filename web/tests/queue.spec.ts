import { expect } from '@playwright/test';
import { openQueue, Person, smallMatch } from './support/backstage';
import { comeAsNewFan, holdBest, signUp, test } from './support/fan';

test('the waiting room admits a fan when it is their turn', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Turn Town', 8);
  await openQueue(server.url, match, { maxActive: 1 });
  const before = [await Person.signUp(server.url), await Person.signUp(server.url)];
  for (const person of before) await person.call('POST', `/api/matches/${match}/queue`);

  const page = await arrive();
  await page.locator('.match-card', { hasText: 'Turn Town' }).click();
  await expect(page.getByRole('heading', { name: 'Turn Town' })).toBeVisible();
  await page.getByTestId('join').click();
  await signUp(page);
  await expect(page.getByTestId('ahead')).toHaveText('1 person');
  await expect(page.locator('.queue-me')).toBeVisible();
  await expect(page.getByText('Estimated wait')).toBeVisible();

  // A fan who comes back has kept the place.
  await page.reload();
  await expect(page.getByTestId('ahead')).toHaveText('1 person');
  for (const person of before) await person.call('DELETE', `/api/matches/${match}/queue`);
  await expect(page.getByText('It is your turn. Choose your seats now.')).toBeVisible();
  await holdBest(page);
});

test('a fan can leave the line', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Leave Town', 8);
  await openQueue(server.url, match, { paused: true });
  const page = await arrive(`/#/matches/${match}`);
  await expect(page.getByText('Admission is paused')).toBeVisible();
  await page.getByTestId('join').click();
  await signUp(page);
  await expect(page.getByTestId('ahead')).toHaveText('It is almost your turn');
  page.once('dialog', (dialog) => void dialog.accept());
  await page.getByRole('button', { name: 'Leave the line' }).click();
  await expect(page.getByTestId('join')).toBeVisible();
});

test('an older response does not remove a place that was just taken', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Early Town', 8);
  await openQueue(server.url, match, { paused: true });
  const page = await arrive(`/#/matches/${match}`);
  const joined = page.waitForResponse(
    (response) => response.request().method() === 'POST' && response.url().endsWith('/queue'),
  );
  let late = 0;
  await page.route('**/queue', async (route) => {
    if (route.request().method() !== 'GET' || late > 0) return route.fallback();
    late += 1;
    await joined;
    // The response from before the fan joined.
    await route.fulfill({ status: 404, json: { status: 404, code: 'NOT_IN_QUEUE' } });
  });
  await page.getByTestId('join').click();
  await signUp(page);
  await expect(page.getByTestId('ahead')).toBeVisible();
  await expect.poll(() => late).toBe(1);
  await expect(page.getByText('1 person is waiting')).toBeVisible();
  await expect(page.getByTestId('ahead')).toBeVisible();
});

test('a sold-out match says so in the waiting room and in the list', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Sold Town', 2);
  const buyer = await Person.signUp(server.url);
  await buyer.call('POST', `/api/matches/${match}/holds`, { seatIds: [1, 2] });
  const page = await arrive(`/#/matches/${match}`);
  await expect(page.getByText('All seats are taken.')).toBeVisible();
  await openQueue(server.url, match, {});
  await page.reload();
  await expect(page.getByText('All seats are taken.')).toBeVisible();
  await page.getByRole('link', { name: 'Matches', exact: true }).click();
  // The counts of the list may be two seconds old, and the list loads again by itself.
  await expect(page.locator('.match-card', { hasText: 'Sold Town' })).toContainText('Sold out');
});

test('the list of matches follows a sale while somebody reads it', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Read Town', 2);
  const page = await arrive();
  const card = page.locator('.match-card', { hasText: 'Read Town' });
  await expect(card).toContainText('2 left');
  const buyer = await Person.signUp(server.url);
  await buyer.call('POST', `/api/matches/${match}/holds`, { seatIds: [1, 2] });
  await expect(card).toContainText('Sold out');
});

test('a waiting room that opens while fans choose includes them', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Rush Town', 8);
  const page = await arrive(`/#/matches/${match}`);
  await comeAsNewFan(page);
  await expect(page.getByTestId('best')).toBeVisible();
  await openQueue(server.url, match, { maxActive: 1 });
  await expect(page.getByTestId('join')).toBeVisible();
  await expect(page.getByTestId('best')).toBeHidden();
});
