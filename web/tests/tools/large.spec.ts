// Measures a plan of 200,000 seats: `npm run large`. Not a test: it checks nothing and prints the
// result.

import type { Browser, Page } from '@playwright/test';
import { fakeStreams } from '../support/fake-streams';
import { serveDist, test } from '../support/fan';
import { LARGE_SEATS, largeMatch, largeSeatIds } from '../support/large';

const ROUNDS = 5;
const SECONDS = 4;
/** Everything changes: each seat of the plan every 20 seconds. */
const CHANGES_PER_SECOND = 10_000;

declare global {
  interface Window {
    drawn: number;
    drifts: boolean;
    /** Takes over changes as if the stream had sent them. */
    change: (data: string) => void;
  }
}

/** Counts frames. Without drawing, the page does everything but the work of a graphics card. */
function prepare(drawing: boolean): void {
  window.drawn = 0;
  const request = window.requestAnimationFrame.bind(window);
  let last = 0;
  window.requestAnimationFrame = (draw) =>
    request((now) => {
      // Several callers may request the same frame.
      if (now !== last) window.drawn += 1;
      last = now;
      draw(now);
    });
  // The server repeats a snapshot that is larger than the buffer of its connection. The first is enough.
  window.onStream = async (stream) => {
    const { data } = await (await fetch(stream.replace('/events', ''))).json();
    window.feed('snapshot', data);
  };
  window.change = (data) => window.feed('changes', JSON.parse(data));
  if (drawing) return;
  const { prototype } = WebGL2RenderingContext;
  prototype.drawElements = () => undefined;
  prototype.drawArrays = () => undefined;
  const ask = prototype.getParameter;
  // The map draws with all effects, as for a graphics card.
  prototype.getParameter = function (name) {
    const known = ask.call(this, name);
    return /swiftshader/i.test(String(known)) ? 'a graphics card' : known;
  };
}

/** Milliseconds from the start of the navigation until the map shows all seats with their states. */
async function load(browser: Browser, url: string, drawing: boolean): Promise<[Page, number]> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  await serveDist(context);
  const page = await context.newPage();
  await page.addInitScript(fakeStreams);
  await page.addInitScript(prepare, drawing);
  await page.goto(url, { waitUntil: 'commit' });
  await page.waitForFunction(
    (seats) => document.querySelector('.seats-left')?.textContent?.includes(seats) && window.drawn > 2,
    `${LARGE_SEATS.toLocaleString('en-GB')} of`,
  );
  const ms = await page.evaluate(
    () =>
      new Promise<number>((done) => {
        requestAnimationFrame(() => setTimeout(() => done(performance.now())));
      }),
  );
  return [page, ms];
}

/** Changes seats all over the plan, 20 times a second, until the map rests. */
function changeSeats({ seats, each }: { seats: number[]; each: number }): void {
  const words = ['AVAILABLE', 'HOLD', 'PENDING', 'OCCUPIED'];
  const pick = <T>(from: T[]): T => from[Math.floor(Math.random() * from.length)];
  const step = () => {
    const changes = Array.from({ length: each }, () => ({ seatId: pick(seats), state: pick(words) }));
    window.change(JSON.stringify({ version: 1, changes }));
    if (window.drifts) setTimeout(step, 50);
  };
  step();
}

/**
 * Drags the map in circles while frames are counted. Returns frames per second, and for each frame
 * the ms of the page's thread, and of the process that draws.
 */
async function move(page: Page, changes: number): Promise<number[]> {
  const profiler = await page.context().newCDPSession(page);
  await profiler.send('Performance.enable', { timeDomain: 'threadTicks' });
  const whole = await page.context().browser()!.newBrowserCDPSession();
  const busy = async () => {
    const { metrics } = await profiler.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'TaskDuration')?.value ?? 0;
  };
  const drawing = async () => {
    const { processInfo } = await whole.send('SystemInfo.getProcessInfo');
    return processInfo.find(({ type }) => type === 'GPU')?.cpuTime ?? 0;
  };
  await page.evaluate(() => {
    const canvas = document.querySelector('canvas')!;
    canvas.setPointerCapture = () => undefined;
    const box = canvas.getBoundingClientRect();
    let angle = 0;
    const fire = (type: string) => {
      const clientX = box.x + box.width / 2 + Math.cos(angle) * 90;
      const clientY = box.y + box.height / 2 + Math.sin(angle) * 90;
      canvas.dispatchEvent(new PointerEvent(type, { clientX, clientY, pointerId: 1, button: 0, bubbles: true }));
    };
    fire('pointerdown');
    window.drifts = true;
    const step = () => {
      angle += 0.08;
      fire('pointermove');
      if (window.drifts) setTimeout(step, 12);
      else fire('pointerup');
    };
    step();
  });
  if (changes > 0) await page.evaluate(changeSeats, { seats: largeSeatIds(), each: changes / 20 });
  const read = async () => [await page.evaluate(() => window.drawn), performance.now(), await busy(), await drawing()];
  const before = await read();
  await page.waitForTimeout(SECONDS * 1000);
  const after = await read();
  await page.evaluate(() => {
    window.drifts = false;
  });
  const [frames, ms, thread, process] = after.map((value, index) => value - before[index]);
  return [(frames * 1000) / ms, (thread * 1000) / frames, (process * 1000) / frames];
}

test('a plan of 200,000 seats', async ({ browser, server }) => {
  test.setTimeout(900_000);
  const match = await largeMatch(server.url);
  const url = `${server.url}/#/matches/${match}`;
  for (const drawing of [false, true]) {
    const name = drawing ? 'software drawing' : 'without drawing';
    const times: number[] = [];
    let page: Page | null = null;
    for (let round = 0; round < ROUNDS; round += 1) {
      await page?.context().close();
      const [loaded, ms] = await load(browser, url, drawing);
      page = loaded;
      times.push(Math.round(ms));
    }
    console.log(`${name}: loaded after ${times.join(', ')} ms`);
    const map = page!.getByRole('application');
    await map.focus();
    const steps = [['whole', ''], ['blocks', '+'], ['blocks, larger', '++'], ['seats', '+++'], ['seats, near', '++++++']];
    for (const [view, keys] of steps) {
      await page!.keyboard.press('0');
      await page!.waitForTimeout(900);
      for (const key of keys) {
        await page!.keyboard.press(key);
        await page!.waitForTimeout(600);
      }
      for (const changes of [0, CHANGES_PER_SECOND]) {
        const [rate, cost, drawn] = (await move(page!, changes)).map((value) => value.toFixed(2));
        const what = `${name}, ${view}, ${changes} changes/s`;
        console.log(`${what}: ${rate} frames/s, for each ${cost} ms of the page's thread, ${drawn} ms of drawing`);
      }
      if (process.env.SHOTS) await page!.screenshot({ path: `${process.env.SHOTS}/large-${drawing}-${view}.png` });
    }
    await page!.context().close();
  }
});
