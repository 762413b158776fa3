// The page of a shop on another origin, in a real browser: it calls the API when its origin is in
// the list, and reads nothing when it is not.

import { createServer, type Server as Shop } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, type Page } from '@playwright/test';
import { ADMIN } from './support/backstage';
import { test } from './support/fan';

/** What the page of a shop does: each step in its own words, or the name of the error. */
async function shopAt(page: Page, shop: string, api: string): Promise<Record<string, unknown>> {
  await page.goto(shop);
  return page.evaluate(
    async ({ api, account }) => {
      const seen: Record<string, unknown> = {};
      const step = async (name: string, action: () => Promise<unknown>): Promise<void> => {
        seen[name] = await action().catch((error: Error) => error.name);
      };
      let token = '';
      await step('matches', async () => (await fetch(`${api}/api/matches`)).status);
      await step('log in', async () => {
        const headers = { 'content-type': 'application/json' };
        const body = JSON.stringify(account);
        const response = await fetch(`${api}/api/users/log-in`, { method: 'POST', headers, body });
        token = (await response.json()).data.accessToken;
        return response.status;
      });
      await step('with a token', async () => {
        const headers = { authorization: `Bearer ${token}`, 'idempotency-key': 'a key' };
        const response = await fetch(`${api}/api/users/me/sessions/no-id`, { method: 'DELETE', headers });
        return [response.status, (await response.json()).code, response.headers.has('x-request-id')];
      });
      await step('stream', async () => {
        const matches = (await (await fetch(`${api}/api/matches`)).json()).data.matches;
        const source = new EventSource(`${api}/api/matches/${matches[0].id}/seats/events`);
        const opened = await new Promise((done) => {
          source.addEventListener('snapshot', () => done('snapshot'));
          source.onerror = () => done('error');
        });
        source.close();
        return opened;
      });
      await step('cookies', async () => {
        const response = await fetch(`${api}/api/matches`, { credentials: 'include' });
        return response.status;
      });
      return seen;
    },
    { api, account: ADMIN },
  );
}

async function startShop(): Promise<{ shop: Shop; url: string }> {
  const shop = createServer((_, response) => {
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>A shop</title>');
  });
  await new Promise<void>((listening) => shop.listen(0, '127.0.0.1', listening));
  return { shop, url: `http://127.0.0.1:${(shop.address() as AddressInfo).port}` };
}

test('the page of a shop calls the API when its origin is in the list', async ({ page, server }) => {
  test.skip(!server.isOurs, 'needs a server that can be started again');
  const [known, other] = [await startShop(), await startShop()];
  await server.stop();
  await server.run({ GRANDSTAND_ALLOWED_ORIGINS: known.url });
  expect(await shopAt(page, known.url, server.url)).toEqual({
    matches: 200,
    'log in': 200,
    'with a token': [400, 'VALIDATION', true],
    stream: 'snapshot',
    // The browser keeps the response from the page, because it would belong to a cookie.
    cookies: 'TypeError',
  });
  expect(await shopAt(page, other.url, server.url)).toEqual({
    matches: 'TypeError',
    'log in': 'TypeError',
    'with a token': 'TypeError',
    stream: 'TypeError',
    cookies: 'TypeError',
  });
  await server.stop();
  await server.run({});
  known.shop.close();
  other.shop.close();
});
