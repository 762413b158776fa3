// A client with types from the OpenAPI document (src/api/schema.ts). The compiler checks each call
// below against them.

import { expect, request } from '@playwright/test';
import createClient from 'openapi-fetch';
import type { paths } from '../src/api/schema';
import { test } from './support/fan';

test('a client with types from the OpenAPI document signs up, buys a ticket and reads it', async ({ server }) => {
  const client = createClient<paths>({ baseUrl: server.url });
  const account = { email: `client-${Date.now()}@example.com`, password: 'a long password' };
  const signedUp = await client.POST('/api/users/sign-up', { body: account });
  expect(signedUp.data?.data.role).toBe('USER');
  const refused = await client.POST('/api/users/sign-up', { body: account });
  expect(refused.error?.code).toBe('EMAIL_TAKEN');
  const session = (await client.POST('/api/users/log-in', { body: account })).data!.data;
  client.use({
    onRequest: ({ request }) => {
      request.headers.set('Authorization', `Bearer ${session.accessToken}`);
      return request;
    },
  });

  const query = { status: 'OPEN', limit: 1 } as const;
  const list = await client.GET('/api/matches', { params: { query } });
  const [match] = list.data!.data.matches;
  const held = await client.POST('/api/matches/{match}/holds', {
    params: { path: { match: match.id }, header: { 'Idempotency-Key': crypto.randomUUID() } },
    body: { bestAvailable: { count: 2 } },
  });
  const hold = held.data!.data;
  expect(hold.seats).toHaveLength(2);
  const reserved = await client.POST('/api/reservations', {
    body: { matchId: match.id, holdId: hold.holdId },
  });
  const reservation = reserved.data!.data;
  const asked = await client.POST('/api/payments/request', {
    body: { reservationId: reservation.id, method: 'CARD' },
  });
  const payment = asked.data!.data;

  const { orderId, amount } = payment;
  const gateway = await request.newContext({ baseURL: new URL(payment.checkoutUrl!).origin });
  const paid = await gateway.post('/_emulator/payments', {
    data: { orderId, amount, confirm: 'approve' },
  });
  const { paymentKey } = await paid.json();
  await gateway.dispose();

  const confirmed = await client.POST('/api/payments/confirm', {
    body: { paymentId: payment.id, paymentKey, orderId, amount },
  });
  expect(confirmed.response.status).toBe(200);
  expect(confirmed.data?.data.persisted).toBe(true);
  const ticket = await client.GET('/api/reservations/{reservation}', {
    params: { path: { reservation: reservation.id } },
  });
  expect(ticket.data?.data.status).toBe('CONFIRMED');
  expect(ticket.data?.data.seats).toEqual(hold.seats);
});
