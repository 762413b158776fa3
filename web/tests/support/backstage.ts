// People beside the page: the organiser, and other fans who use the API without a browser.

import { request, type APIRequestContext } from '@playwright/test';

/** The administrator of the demo. */
export const ADMIN = { email: 'admin@grandstand.example', password: 'demo-admin-1982' };
/** The password of everybody who signs up in these tests. */
export const PASSWORD = 'a long password';

let people = 0;

/** A person with an account who calls the API. */
export class Person {
  private constructor(private readonly api: APIRequestContext) {}

  static async logIn(url: string, account: { email: string; password: string }): Promise<Person> {
    const guest = await request.newContext({ baseURL: url });
    const response = await guest.post('/api/users/log-in', { data: account });
    const { accessToken } = (await response.json()).data;
    await guest.dispose();
    const extraHTTPHeaders = { Authorization: `Bearer ${accessToken}` };
    return new Person(await request.newContext({ baseURL: url, extraHTTPHeaders }));
  }

  static async signUp(url: string): Promise<Person> {
    people += 1;
    const account = { email: `other-${Date.now()}-${people}@example.com`, password: PASSWORD };
    const guest = await request.newContext({ baseURL: url });
    await guest.post('/api/users/sign-up', { data: account });
    await guest.dispose();
    return Person.logIn(url, account);
  }

  static admin(url: string): Promise<Person> {
    return Person.logIn(url, ADMIN);
  }

  async call(method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, data?: unknown): Promise<any> {
    const response = await this.api.fetch(path, { method, data });
    if (!response.ok()) throw new Error(`${method} ${path}: ${await response.text()}`);
    return response.status() === 204 ? null : (await response.json()).data;
  }
}

/** A site with `seats` seats in one row, at one price. */
export function plan(seats: number, price: number): object {
  const row = { label: '1', firstSeatId: 1, seats, from: [0, 10], to: [seats, 10] };
  const outline = [[-1, 8], [seats + 1, 8], [seats + 1, 12], [-1, 12]];
  const block = { id: 1, name: '1', grade: 'ONE', outline, rows: [row] };
  return {
    name: 'Village Green',
    focus: [0, 0],
    grades: [{ code: 'ONE', name: 'Bench', price, color: '#1b8f4e' }],
    areas: [{ id: 1, name: 'Green', sections: [{ id: 1, name: 'Benches', blocks: [block] }] }],
  };
}

/** Makes a match at a site of its own, and returns the ids of both. */
export async function draftMatch(
  url: string,
  homeTeam: string,
  ofSite: object,
): Promise<{ match: string; site: string }> {
  const admin = await Person.admin(url);
  const site = await admin.call('POST', '/api/admin/sites', ofSite);
  const match = await admin.call('POST', '/api/admin/matches', {
    siteId: site.id,
    homeTeam,
    awayTeam: 'The World',
    startsAt: '2040-05-05T05:00:00Z',
  });
  return { match: match.id, site: site.id };
}

/**
 * Announces a match of its own with a waiting room, which people may join at once. The sale opens
 * after `opensInMs`. Returns the id.
 */
export async function announcedMatch(
  url: string,
  homeTeam: string,
  opensInMs: number,
  queue: object,
): Promise<string> {
  const admin = await Person.admin(url);
  const { match } = await draftMatch(url, homeTeam, plan(8, 1000));
  const { siteId, awayTeam, startsAt } = await admin.call('GET', `/api/matches/${match}`);
  const saleOpensAt = new Date(Date.now() + opensInMs).toISOString();
  const terms = { siteId, homeTeam, awayTeam, startsAt, saleOpensAt };
  await admin.call('PUT', `/api/admin/matches/${match}`, terms);
  await openQueue(url, match, { opensAt: new Date(Date.now() - 60_000).toISOString(), ...queue });
  await admin.call('POST', `/api/admin/matches/${match}/announce`);
  return match;
}

/** Puts a match of its own on sale, with `seats` seats in one row, and returns its id. */
export async function smallMatch(url: string, homeTeam: string, seats: number): Promise<string> {
  const { match } = await draftMatch(url, homeTeam, plan(seats, 1000));
  await (await Person.admin(url)).call('POST', `/api/admin/matches/${match}/open`);
  return match;
}

/** Opens the waiting room of a match. */
export async function openQueue(url: string, match: string, settings: object): Promise<void> {
  const admin = await Person.admin(url);
  await admin.call('PUT', `/api/admin/matches/${match}/queue`, { enabled: true, ...settings });
}
