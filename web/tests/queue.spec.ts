import { expect } from '@playwright/test';
import { announcedMatch, openQueue, PASSWORD, Person, smallMatch } from './support/backstage';
import { comeAsNewFan, holdBest, logIn, reserve, signUp, test } from './support/fan';

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

test('a fan who leaves the line and joins again goes to its end', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Leave Town', 8);
  await openQueue(server.url, match, { paused: true });
  const page = await arrive(`/#/matches/${match}`);
  await expect(page.getByText('Admission is paused')).toBeVisible();
  await page.getByTestId('join').click();
  await signUp(page);
  await expect(page.getByTestId('ahead')).toHaveText('It is almost your turn');
  const other = await Person.signUp(server.url);
  await other.call('POST', `/api/matches/${match}/queue`);
  page.once('dialog', (dialog) => {
    expect(dialog.message()).toContain('you go to the end of the line');
    void dialog.accept();
  });
  await page.getByRole('button', { name: 'Leave the line' }).click();
  await expect(page.getByText('You left the line.')).toBeVisible();
  await page.getByRole('button', { name: 'Join again' }).click();
  await expect(page.getByTestId('ahead')).toHaveText('1 person');
});

test('fans who come early get their numbers by a draw, and their browsers check it', async ({
  arrive,
  server,
}) => {
  const match = await announcedMatch(server.url, 'Draw City', 15_000, {
    randomPreQueue: true,
    paused: true,
  });
  const others = await Promise.all(Array.from({ length: 4 }, () => Person.signUp(server.url)));
  for (const other of others) await other.call('POST', `/api/matches/${match}/queue`);
  const page = await arrive(`/#/matches/${match}`);
  await expect(page.getByTestId('opening')).toHaveText(/^0:00:\d\d$/);
  await page.getByTestId('join').click();
  await signUp(page);
  await expect(page.getByTestId('ticket-number')).toHaveText('5');
  await expect(page.getByText('It does not matter when you came.')).toBeVisible();
  const draw = page.getByTestId('draw');
  await draw.getByText('How the draw works').click();
  await expect(draw).toContainText('Published when the sale opens');
  const { seedHash } = await others[0].call('GET', `/api/matches/${match}/queue/draw`);
  await expect(draw).toContainText(seedHash);

  await expect(page.getByTestId('number')).toHaveText(/^[1-5]$/);
  const number = await page.getByTestId('number').innerText();
  await draw.getByRole('button', { name: 'Check' }).click();
  await expect(page.getByTestId('checked')).toContainText(`ticket 5 has place ${number} of 5.`);
});

test('a place is the same on another device, and its loss is told on both', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Device Town', 8);
  await openQueue(server.url, match, { paused: true });
  const other = await Person.signUp(server.url);
  await other.call('POST', `/api/matches/${match}/queue`);
  const phone = await arrive(`/#/matches/${match}`);
  await phone.getByTestId('join').click();
  const email = await signUp(phone);
  const desk = await arrive(`/#/matches/${match}`);
  await logIn(desk, email);
  for (const page of [phone, desk]) {
    await expect(page.getByTestId('ahead')).toHaveText('1 person');
    await expect(page.getByTestId('number')).toHaveText('2');
  }
  const fan = await Person.logIn(server.url, { email, password: PASSWORD });
  const { id } = await fan.call('GET', '/api/users/me');
  const admin = await Person.admin(server.url);
  await admin.call('DELETE', `/api/admin/matches/${match}/queue/people/${id}`);
  for (const page of [phone, desk]) {
    await expect(page.getByText('You are not in the line any more')).toBeVisible();
  }
});

test('a pass that ends while the fan chooses leaves a reservation alone, and says so', async ({
  arrive,
  server,
}) => {
  const match = await smallMatch(server.url, 'Over Town', 8);
  await openQueue(server.url, match, { passTtlMs: 10_000 });
  const page = await arrive(`/#/matches/${match}`);
  await page.getByTestId('join').click();
  await signUp(page);
  await expect(page.getByTestId('pass')).toContainText('Less than a minute');
  await holdBest(page);
  await reserve(page);
  await page.goto(`/#/matches/${match}`);
  await expect(page.getByText('stay yours until their own time to pay').first()).toBeVisible();
  await expect(page.getByTestId('join')).toHaveText('Join again');
  await page.getByRole('link', { name: 'My tickets' }).click();
  await expect(page.getByText('Waiting for payment')).toBeVisible();
});

test('without event streams the page polls, and still learns that it is the fan’s turn', async ({
  arrive,
  server,
}) => {
  const match = await smallMatch(server.url, 'Proxy Town', 8);
  await openQueue(server.url, match, { maxActive: 1 });
  const first = await Person.signUp(server.url);
  await first.call('POST', `/api/matches/${match}/queue`);
  await first.call('GET', `/api/matches/${match}/queue`);
  const page = await arrive();
  await page.route('**/events*', (route) => route.abort());
  await page.goto(`/#/matches/${match}`);
  await page.getByTestId('join').click();
  await signUp(page);
  await expect(page.getByText('this page asks again regularly')).toBeVisible();
  await expect(page.getByText('1 person is waiting')).toBeVisible();
  await expect(page.getByRole('alert')).toBeHidden();
  await first.call('DELETE', `/api/matches/${match}/queue`);
  await expect(page.getByTestId('pass')).toBeVisible();
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
    const method = route.request().method();
    // The fan joins after the page has asked, or the response would not be an older one.
    if (method === 'POST') await expect.poll(() => late).toBe(1);
    if (method !== 'GET' || late > 0) return route.fallback();
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

test('a waiting room that asks for work is joined after the page has done it', async ({
  arrive,
  server,
}) => {
  const match = await smallMatch(server.url, 'Work Town', 8);
  await openQueue(server.url, match, { paused: true, challenge: true });
  const page = await arrive(`/#/matches/${match}`);
  const answers: number[] = [];
  page.on('response', (response) => {
    const method = response.request().method();
    if (method === 'POST' && response.url().endsWith('/queue')) answers.push(response.status());
  });
  await page.getByTestId('join').click();
  await signUp(page);
  await expect(page.getByTestId('ahead')).toHaveText('It is almost your turn');
  expect(answers).toEqual([403, 201]);
});

test('the page shows no text of an address when a payment fails', async ({ arrive }) => {
  const page = await arrive('/?payment=x&code=ODD&message=Call+0900+12345');
  await expect(page.getByText('The payment was not completed.')).toBeVisible();
  await expect(page.getByText('0900')).toHaveCount(0);
});
