// A waiting room whose state the test sets, for states that a real server reaches only with many
// people, or after a fault. The match, its plan and the account are those of the real server.

import type { Page, Route } from '@playwright/test';
import { request } from '@playwright/test';
import type { Draw, Match, QueuePlace, ServingFrame } from '../../src/api/types';
import { fakeStreams } from './fake-streams';

const LINE: ServingFrame = {
  state: 'OPEN',
  serving: 0,
  waiting: 0,
  admittedPerMinute: null,
  eta: null,
  soldOut: false,
  seatsMayReturn: true,
  drawn: null,
  epoch: 1,
  pollAfterMs: 10_000,
};

const PLACE: QueuePlace = {
  state: 'WAITING',
  ticket: null,
  number: null,
  serving: 0,
  ahead: null,
  eta: null,
  passExpiresAt: null,
  epoch: 1,
  pollAfterMs: 10_000,
};

export class Room {
  private line: ServingFrame = LINE;
  private mine: QueuePlace | null = null;
  private onJoin: QueuePlace | null = null;
  private draw: Draw | null = null;
  private changes: Partial<Match> = {};
  private joinRefusal: Parameters<Route['fulfill']>[0] | null = null;
  /** How often the page asked for the place. */
  asked = 0;

  private constructor(
    private readonly page: Page,
    readonly match: string,
    private readonly real: Match,
  ) {}

  static async at(page: Page, url: string, match: string): Promise<Room> {
    const guest = await request.newContext({ baseURL: url });
    const real = (await (await guest.get(`/api/matches/${match}`)).json()).data;
    await guest.dispose();
    const room = new Room(page, match, real);
    await page.addInitScript(fakeStreams);
    const base = `**/api/matches/${match}`;
    await page.route(base, (route) => route.fulfill({ json: { status: 200, data: room.shown } }));
    await page.route(`${base}/queue`, (route) => room.onPlace(route));
    await page.route(`${base}/queue/draw`, (route) =>
      route.fulfill(room.draw ? { json: { status: 200, data: room.draw } } : { status: 404, json: {} }),
    );
    return room;
  }

  /** Shows the match, in a page that is loaded again. */
  async enter(): Promise<void> {
    await this.page.goto('about:blank');
    await this.page.goto(`/#/matches/${this.match}`);
    await this.feed('match', this.shown);
    await this.feed('serving', this.line);
  }

  /** Changes the match, as its organiser does. */
  async setMatch(changes: Partial<Match>): Promise<void> {
    this.changes = { ...this.changes, ...changes, version: this.shown.version + 1000 };
    await this.feed('match', this.shown);
  }

  /** Changes the state of the line, and tells everybody. */
  async setLine(changes: Partial<ServingFrame>): Promise<void> {
    this.line = { ...this.line, ...changes };
    await this.feed('serving', this.line);
  }

  /** Changes the place of the user. The page learns it when it asks. */
  setPlace(changes: Partial<QueuePlace> | null): void {
    this.mine = changes && { ...PLACE, ...this.mine, ...changes };
  }

  /** What the user gets by joining. */
  setPlaceOnJoin(changes: Partial<QueuePlace>): void {
    this.onJoin = { ...PLACE, ...changes };
  }

  setDraw(draw: Draw): void {
    this.draw = draw;
  }

  refuseJoining(refusal: Parameters<Route['fulfill']>[0]): void {
    this.joinRefusal = refusal;
  }

  private get shown(): Match {
    return { ...this.real, ...this.changes };
  }

  private async feed(name: string, data: unknown): Promise<void> {
    await this.page.evaluate(
      ([event, value]) => {
        // There is none before the page is loaded.
        window.feed?.(event as string, value);
      },
      [name, data] as const,
    );
  }

  private onPlace(route: Route): Promise<void> {
    const method = route.request().method();
    if (method === 'POST' && this.joinRefusal) return route.fulfill(this.joinRefusal);
    if (method === 'POST' && this.onJoin) this.mine = this.onJoin;
    if (method === 'DELETE') {
      this.mine = null;
      return route.fulfill({ status: 204 });
    }
    if (method === 'GET') this.asked += 1;
    if (!this.mine) return route.fulfill({ status: 404, json: { status: 404, code: 'NOT_IN_QUEUE' } });
    return route.fulfill({ json: { status: 200, data: this.mine } });
  }
}
