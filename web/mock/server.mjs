// A small stand-in for the booking API: enough of the contract to build and test the page.
// PORT, and for tests: FANS=1 lets invented fans take seats, HOLD_MS sets the hold's time.

import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { makePlan } from './plan.mjs';
import { MatchSeats } from './seats.mjs';
import { WaitingRoom } from './queue.mjs';
import { afterPay, payPage } from './pay-page.mjs';
import { startFans } from './fans.mjs';

const HOLD_MS = Number(process.env.HOLD_MS ?? 300_000);
const PAY_MS = 600_000;
const LIMIT = 4;
const ACCESS_MS = Number(process.env.ACCESS_MS ?? 900_000);
const dist = new URL('../dist/', import.meta.url);
const FILES = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/app.js': ['app.js', 'text/javascript; charset=utf-8'],
  '/app.css': ['app.css', 'text/css; charset=utf-8'],
};
const POLICY = "default-src 'self'; img-src 'self' data:; base-uri 'none'; object-src 'none'; frame-ancestors 'none'";

const plan = makePlan();
const hours = (count) => new Date(Date.now() + count * 3_600_000).toISOString();
const matches = [
  ['한빛 이글스', '서울 타이거즈', 'OPEN', 30, 0.35, null],
  ['한빛 이글스', '부산 웨일즈', 'OPEN', 54, 0.05, { enabled: true, opensAt: hours(-1) }],
  ['한빛 이글스', '광주 파이어', 'DRAFT', 200, 0, null],
  ['한빛 이글스', '인천 랜턴즈', 'CLOSED', 2, 0.9, null],
].map(([homeTeam, awayTeam, status, inHours, soldShare, queue], index) => {
  const id = `01900000-0000-7000-8000-00000000000${index + 1}`;
  const seats = new MatchSeats(plan, { soldShare });
  const fields = { id, siteId: 'site-1', stadium: plan.name, homeTeam, awayTeam, status, queue };
  return { ...fields, startsAt: hours(inHours), seats, room: queue ? new WaitingRoom() : null };
});
const users = new Map();
const access = new Map();
const refresh = new Map();
const reservations = new Map();
const payments = new Map();
const answers = new Map();

class Refusal extends Error {
  constructor(status, code, members = {}) {
    super(code);
    Object.assign(this, { status, code, members });
  }
}

const publicMatch = ({ seats, room, ...match }) => match;

function findMatch(id) {
  const match = matches.find((candidate) => candidate.id === id);
  if (!match) throw new Refusal(404, 'MATCH_NOT_FOUND');
  return match;
}

function tokens(user) {
  const accessToken = randomUUID();
  const refreshToken = randomUUID();
  access.set(accessToken, { user, until: Date.now() + ACCESS_MS });
  refresh.set(refreshToken, user);
  const { id, email, role } = user;
  return { accessToken, refreshToken, expiresIn: ACCESS_MS / 1000, user: { id, email, role } };
}

function mustBeUser(request) {
  const entry = access.get(request.headers.authorization?.slice(7));
  if (!entry || entry.until < Date.now()) throw new Refusal(401, 'UNAUTHORIZED');
  return entry.user;
}

function mineOr403(entry, user) {
  if (!entry) throw new Refusal(404, 'NOT_FOUND');
  if (entry.user !== user.id) throw new Refusal(403, 'NOT_YOURS');
  return entry;
}

const publicReservation = ({ user, timer, ...reservation }) => reservation;

const routes = [
  ['GET', '/api/time', () => [200, { now: new Date().toISOString() }]],
  ['GET', '/api/matches', () => [200, { matches: matches.map(publicMatch) }]],
  ['GET', '/api/matches/:match', (_, { match }) => [200, publicMatch(findMatch(match))]],
  ['GET', '/api/sites/:site', () => [200, { id: 'site-1', ...plan }]],
  ['POST', '/api/users/sign-up', (_, __, { email, password }) => {
    if (users.has(email)) throw new Refusal(409, 'EMAIL_TAKEN');
    if (!email?.includes('@') || password?.length < 8) throw new Refusal(400, 'VALIDATION');
    const user = { id: randomUUID(), email, password, role: 'USER' };
    users.set(email, user);
    return [201, { id: user.id, email, role: user.role }];
  }],
  ['POST', '/api/users/log-in', (_, __, { email, password }) => {
    const user = users.get(email);
    if (user?.password !== password) throw new Refusal(401, 'BAD_CREDENTIALS');
    return [200, tokens(user)];
  }],
  ['POST', '/api/users/refresh', (_, __, { refreshToken }) => {
    const user = refresh.get(refreshToken);
    if (!user) throw new Refusal(401, 'UNAUTHORIZED');
    refresh.delete(refreshToken);
    return [200, tokens(user)];
  }],
  ['POST', '/api/users/log-out', (_, __, { refreshToken }) => {
    refresh.delete(refreshToken);
    return [204];
  }],
  ['GET', '/api/users/me', (request) => {
    const { id, email, role } = mustBeUser(request);
    return [200, { id, email, role }];
  }],
  ['POST', '/api/matches/:match/holds', (request, { match }, body) => {
    const user = mustBeUser(request);
    const { seats, room, status } = findMatch(match);
    if (status !== 'OPEN') throw new Refusal(409, 'MATCH_NOT_OPEN');
    if (room && !room.mayBuy(user.id)) throw new Refusal(403, 'PASS_REQUIRED');
    const ids = body.seatIds ?? seats.best(body.bestAvailable);
    if (!ids) throw new Refusal(409, 'SOLD_OUT');
    const held = [...seats.holds.values()].filter((hold) => hold.user === user.id);
    const count = held.reduce((sum, hold) => sum + hold.ids.length, ids.length);
    if (count > LIMIT) throw new Refusal(409, 'SEAT_LIMIT');
    const lost = ids.filter((id) => seats.seats.get(id)?.state !== 'AVAILABLE');
    if (lost.length > 0) {
      const alternatives = seats.alternatives(lost[0], ids.length);
      throw new Refusal(409, 'SEAT_TAKEN', { lost, alternatives });
    }
    const hold = seats.hold(user.id, ids, HOLD_MS);
    const expiresAt = new Date(hold.expiresAt).toISOString();
    return [201, { holdId: hold.id, seats: seats.lines(ids), amount: seats.amount(ids), expiresAt }];
  }],
  ['DELETE', '/api/matches/:match/holds/:hold', (request, { match, hold }) => {
    const user = mustBeUser(request);
    const { seats } = findMatch(match);
    const entry = mineOr403(seats.holds.get(hold), user);
    if (entry.reserved) throw new Refusal(409, 'ALREADY_RESERVED');
    seats.release(entry);
    return [204];
  }],
  ['POST', '/api/reservations', (request, _, { matchId, holdId }) => {
    const user = mustBeUser(request);
    const { seats } = findMatch(matchId);
    const hold = seats.holds.get(holdId);
    if (!hold) throw new Refusal(409, 'HOLD_EXPIRED');
    mineOr403(hold, user);
    if (hold.reserved) throw new Refusal(409, 'ALREADY_RESERVED');
    hold.reserved = true;
    seats.set(hold.ids, 'PENDING');
    const reservation = {
      id: randomUUID(), user: user.id, matchId, holdId, status: 'PENDING', seats: seats.lines(hold.ids),
      amount: seats.amount(hold.ids), expiresAt: new Date(Date.now() + PAY_MS).toISOString(),
      createdAt: new Date().toISOString(),
    };
    reservation.timer = setTimeout(() => {
      if (reservation.status !== 'PENDING') return;
      reservation.status = 'EXPIRED';
      seats.release(hold);
    }, PAY_MS);
    reservations.set(reservation.id, reservation);
    return [201, publicReservation(reservation)];
  }],
  ['GET', '/api/reservations', (request) => {
    const user = mustBeUser(request);
    const mine = [...reservations.values()].filter((entry) => entry.user === user.id);
    return [200, { reservations: mine.reverse().map(publicReservation) }];
  }],
  ['GET', '/api/reservations/:id', (request, { id }) =>
    [200, publicReservation(mineOr403(reservations.get(id), mustBeUser(request)))]],
  ['POST', '/api/reservations/:id/cancel', (request, { id }) => {
    const reservation = mineOr403(reservations.get(id), mustBeUser(request));
    if (!['PENDING', 'CONFIRMED'].includes(reservation.status)) throw new Refusal(409, 'NOT_CANCELLABLE');
    const { seats } = findMatch(reservation.matchId);
    reservation.status = 'CANCELLED';
    seats.release(seats.holds.get(reservation.holdId));
    return [200, publicReservation(reservation)];
  }],
  ['POST', '/api/payments/request', (request, _, { reservationId }) => {
    const reservation = mineOr403(reservations.get(reservationId), mustBeUser(request));
    if (reservation.status !== 'PENDING') throw new Refusal(409, 'RESERVATION_NOT_PENDING');
    const id = randomUUID();
    const orderId = `order-${id}`;
    const query = new URLSearchParams({ orderId, amount: String(reservation.amount), orderName: '야구 입장권' });
    const checkoutUrl = `http://${request.headers.host}/pay?${query}`;
    const payment = { id, orderId, amount: reservation.amount, status: 'READY', reservationId, checkoutUrl };
    payments.set(id, payment);
    return [201, payment];
  }],
  ['GET', '/api/payments/:id', (request, { id }) => {
    mustBeUser(request);
    if (!payments.has(id)) throw new Refusal(404, 'NOT_FOUND');
    return [200, payments.get(id)];
  }],
  ['POST', '/api/payments/confirm', (request, _, body) => {
    mustBeUser(request);
    const payment = payments.get(body.paymentId);
    const reservation = reservations.get(payment.reservationId);
    if (body.amount !== payment.amount) throw new Refusal(422, 'AMOUNT_MISMATCH');
    if (body.paymentKey.startsWith('refused')) {
      payment.status = 'FAILED';
      throw new Refusal(402, 'PAYMENT_DECLINED', { gatewayCode: 'REJECT_CARD_PAYMENT' });
    }
    if (body.paymentKey.startsWith('paused') && !payment.pausedOnce) {
      payment.pausedOnce = true;
      throw new Refusal(503, 'PAYMENTS_PAUSED', { retryAfter: 3 });
    }
    const { seats } = findMatch(reservation.matchId);
    const settle = () => {
      payment.status = 'PAID';
      reservation.status = 'CONFIRMED';
      seats.set(reservation.seats.map((seat) => seat.seatId), 'OCCUPIED');
    };
    if (body.paymentKey.startsWith('unknown')) {
      payment.status = 'UNKNOWN';
      reservation.status = 'PAYING';
      setTimeout(settle, 3000);
      return [202, { payment, reservation: publicReservation(reservation), persisted: false }];
    }
    if (payment.status !== 'PAID') settle();
    return [200, { payment, reservation: publicReservation(reservation), persisted: true }];
  }],
  ['POST', '/api/matches/:match/queue', (request, { match }) => {
    const user = mustBeUser(request);
    return [201, roomOf(match).join(user.id)];
  }],
  ['GET', '/api/matches/:match/queue', (request, { match }) => {
    const place = roomOf(match).place(mustBeUser(request).id);
    if (!place) throw new Refusal(404, 'NOT_IN_QUEUE');
    return [200, place];
  }],
  ['DELETE', '/api/matches/:match/queue', (request, { match }) => {
    roomOf(match).leave(mustBeUser(request).id);
    return [204];
  }],
];

function roomOf(id) {
  const { room } = findMatch(id);
  if (!room) throw new Refusal(409, 'QUEUE_OFF');
  return room;
}

function route(method, path) {
  for (const [verb, pattern, handle] of routes) {
    if (verb !== method) continue;
    const names = [];
    const source = pattern.replace(/:(\w+)/g, (_, name) => {
      names.push(name);
      return '([^/]+)';
    });
    const found = new RegExp(`^${source}$`).exec(path);
    if (found) return { handle, params: Object.fromEntries(names.map((name, i) => [name, found[i + 1]])) };
  }
  throw new Refusal(404, 'NOT_FOUND');
}

async function readBody(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text ? JSON.parse(text) : {};
}

function openStream(request, response, url) {
  const found = /^\/api\/matches\/([^/]+)\/(seats|queue)\/events$/.exec(url.pathname);
  if (!found) return false;
  const match = findMatch(found[1]);
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
  response.write('retry: 500\n\n');
  const send = (event, data, id) => {
    if (event) response.write(`event: ${event}\n${id ? `id: ${id}\n` : ''}data: ${JSON.stringify(data)}\n\n`);
  };
  const lastId = request.headers['last-event-id'] ?? url.searchParams.get('lastEventId');
  const stop = found[2] === 'seats' ? match.seats.listen(lastId, send) : match.room.listen(send);
  const beat = setInterval(() => response.write(': beat\n\n'), 15_000);
  response.on('close', () => {
    clearInterval(beat);
    stop();
  });
  return true;
}

function sendJson(response, status, body, headers = {}) {
  response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', ...headers });
  response.end(JSON.stringify(body));
}

async function answer(request, response) {
  const url = new URL(request.url, 'http://mock');
  const file = FILES[url.pathname];
  if (file) {
    response.writeHead(200, { 'Content-Type': file[1], 'Content-Security-Policy': POLICY, 'Cache-Control': 'no-cache' });
    response.end(readFileSync(new URL(file[0], dist)));
    return;
  }
  if (url.pathname === '/pay') {
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' });
    response.end(payPage(url.search));
    return;
  }
  if (url.pathname.startsWith('/pay/')) {
    response.writeHead(303, { Location: afterPay(url.pathname.slice(5), url.searchParams) }).end();
    return;
  }
  if (openStream(request, response, url)) return;
  const { handle, params } = route(request.method, url.pathname);
  const key = request.headers['idempotency-key'];
  if (key && answers.has(key)) {
    sendJson(response, ...answers.get(key));
    return;
  }
  const [status, data] = handle(request, params, await readBody(request));
  if (status === 204) {
    response.writeHead(204).end();
    return;
  }
  if (key) answers.set(key, [status, { status, data }]);
  sendJson(response, status, { status, data });
}

const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    const known = error instanceof Refusal;
    if (!known) console.error(error);
    const { status = 500, code = 'INTERNAL', members = {} } = known ? error : {};
    const headers = { 'Content-Type': 'application/problem+json' };
    if (members.retryAfter) headers['Retry-After'] = String(members.retryAfter);
    const detail = `the mock refused: ${code}`;
    sendJson(response, status, { type: 'about:blank', title: code, status, code, detail, requestId: randomUUID(), ...members }, headers);
  });
});

if (process.env.FANS) startFans(matches[0].seats, Number(process.env.FANS));
server.listen(Number(process.env.PORT ?? 8787), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
