// The payment window of Toss, which the page opens with a client key. The script of Toss cannot be
// loaded here, so a script of our own takes its place: it has the same function, and goes to the pay
// page of the emulator.

import { expect } from '@playwright/test';
import { comeAsNewFan, holdBest, openMatch, reserve, test, ticket } from './support/fan';

const CLIENT_KEY = 'test_ck_page';
const SCRIPT = 'https://js.tosspayments.com/v2/standard';

/** `cancel`: the fan closes the window at once. */
const windowOf = (gateway: string, cancel: boolean) => `
  window.TossPayments = (clientKey) => ({
    payment: ({ customerKey }) => ({
      requestPayment: async (request) => {
        window.asked = { ...request, clientKey, customerKey };
        if (${cancel}) throw Object.assign(new Error('closed'), { code: 'PAY_PROCESS_CANCELED' });
        const query = new URLSearchParams({
          orderId: request.orderId, amount: request.amount.value, orderName: request.orderName,
          successUrl: request.successUrl, failUrl: request.failUrl,
        });
        sessionStorage.setItem('asked', JSON.stringify(window.asked));
        location.assign('${gateway}/pay?' + query);
      },
    }),
  });`;

test.describe('with a client key', () => {
  test.beforeAll(async ({ server }) => {
    test.skip(!server.isOurs, 'needs a server that can be started again');
    await server.stop();
    await server.run({ GRANDSTAND_TOSS_CLIENT_KEY: CLIENT_KEY });
  });
  test.afterAll(async ({ server }) => {
    if (!server.isOurs) return;
    await server.stop();
    await server.run({});
  });

  test('the window of Toss opens, and a fan who comes back from it has the ticket', async ({ arrive, server }) => {
    const page = await arrive();
    const gateway = await server.gatewayUrl();
    const fulfill = (cancel: boolean) =>
      page.route(SCRIPT, (route) =>
        route.fulfill({ contentType: 'text/javascript', body: windowOf(gateway, cancel) }),
      );
    await comeAsNewFan(page);
    await openMatch(page);
    await holdBest(page);
    await reserve(page);

    // Without the script, and in a window that is closed, nothing is lost.
    await page.route(SCRIPT, (route) => route.abort());
    await page.getByTestId('pay').click();
    await expect(page.getByText('The payment page can’t be opened now.')).toBeVisible();
    await fulfill(true);
    await page.getByTestId('pay').click();
    await expect(page.getByText('You came back without paying.')).toBeVisible();
    await expect(ticket(page)).toHaveAttribute('data-status', 'PENDING');

    await page.reload();
    await fulfill(false);
    await page.getByTestId('pay').click();
    await page.locator('button[formaction*="/pay/approve"]').click();
    await expect(ticket(page)).toHaveAttribute('data-status', 'CONFIRMED');
    const asked = JSON.parse((await page.evaluate(() => sessionStorage.getItem('asked'))) ?? '{}');
    expect(asked).toMatchObject({
      clientKey: CLIENT_KEY,
      customerKey: '@@ANONYMOUS',
      method: 'CARD',
      windowTarget: 'self',
      amount: { currency: 'KRW' },
    });
    expect(asked.amount.value).toBeGreaterThan(0);
    expect(new URL(asked.successUrl).origin).toBe(server.url);
  });
});
