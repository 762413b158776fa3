// Measures the time that the map takes of a frame while seats change: `npm run measure`. Not a test:
// it checks nothing and prints the result.
//
// Changes are generated inside the page, so that no server uses the processor meanwhile. The result is
// the processor time of the page's own thread, as the browser counts it, because the machine of a
// visitor may have a graphics card and this one may not.

import type { Page } from '@playwright/test';
import { fakeStreams } from '../support/fake-streams';
import { openMatch, test } from '../support/fan';

const SECONDS = 8;
const FRAMES_PER_SECOND = 20;

declare global {
  interface Window {
    /** Seats that change in a second. */
    changing: number;
    framesDrawn: number;
  }
}

/** A stream that sends the real snapshot, and then changes as the hub would: 20 frames a second. */
function madeUpStream(framesPerSecond: number): void {
  const words = ['AVAILABLE', 'HOLD', 'PENDING', 'OCCUPIED'];
  window.changing = 0;
  window.framesDrawn = 0;
  const request = window.requestAnimationFrame.bind(window);
  let last = 0;
  window.requestAnimationFrame = (draw) =>
    request((now) => {
      // Several callers may request the same frame.
      if (now !== last) window.framesDrawn += 1;
      last = now;
      draw(now);
    });

  window.onStream = async (stream) => {
    const path = stream.replace('/events', '');
    const { data } = await (await fetch(path)).json();
    const match = path.split('/')[3];
    const { siteId } = (await (await fetch(`/api/matches/${match}`)).json()).data;
    const plan = (await (await fetch(`/api/sites/${siteId}`)).json()).data;
    const rows = plan.areas.flatMap((area: any) =>
      area.sections.flatMap((section: any) => section.blocks.flatMap((block: any) => block.rows)),
    );
    const seats = rows.flatMap((row: any) =>
      Array.from({ length: row.seats }, (_, index) => row.firstSeatId + index),
    );
    window.feed('snapshot', data, '1-1-0');
    let sent = 0;
    window.setInterval(() => {
      sent += 1;
      const changes = Array.from({ length: window.changing / framesPerSecond }, () => ({
        seatId: seats[Math.floor(Math.random() * seats.length)],
        state: words[Math.floor(Math.random() * words.length)],
      }));
      if (changes.length > 0) window.feed('changes', { version: sent, changes }, `1-1-${sent}`);
    }, 1000 / framesPerSecond);
  };
}

/** The map as on a graphics card: every frame, smooth edges, the glow of changes. */
function asIfWithACard(): void {
  const ask = WebGL2RenderingContext.prototype.getParameter;
  WebGL2RenderingContext.prototype.getParameter = function (name) {
    const answer = ask.call(this, name);
    return /swiftshader/i.test(String(answer)) ? 'a graphics card' : answer;
  };
}

async function measure(page: Page, name: string, changing: number, moving: boolean): Promise<void> {
  const browser = await page.context().newCDPSession(page);
  await browser.send('Performance.enable', { timeDomain: 'threadTicks' });
  const read = async () => {
    const { metrics } = await browser.send('Performance.getMetrics');
    const value = (metric: string) => metrics.find(({ name }) => name === metric)?.value ?? 0;
    return {
      thread: value('TaskDuration'),
      script: value('ScriptDuration'),
      frames: await page.evaluate(() => window.framesDrawn),
    };
  };
  await page.evaluate((seats) => {
    window.changing = seats;
  }, changing);
  const stop = moving ? await page.evaluate(drift) : null;
  const [before, startedAt] = [await read(), Date.now()];
  await page.waitForTimeout(SECONDS * 1000);
  const after = await read();
  const seconds = (Date.now() - startedAt) / 1000;
  await stop;
  await page.evaluate(() => {
    window.changing = 0;
    (window as any).drifting = false;
  });
  const frames = after.frames - before.frames;
  const busy = (after.thread - before.thread) / seconds;
  const ms = ((after.thread - before.thread) * 1000) / Math.max(1, frames);
  const script = ((after.script - before.script) * 1000) / Math.max(1, frames);
  console.log(
    `${name.padEnd(56)} ${String(changing).padStart(5)} changes/s ` +
      `${(frames / seconds).toFixed(1).padStart(6)} frames/s ` +
      `${ms.toFixed(2).padStart(6)} ms/frame (script ${script.toFixed(2)}) ` +
      `${(busy * 100).toFixed(0).padStart(3)} % of a core`,
  );
}

/** Moves the map a little in each frame, as a finger does. */
function drift(): void {
  (window as any).drifting = true;
  const canvas = document.querySelector('canvas')!;
  const box = canvas.getBoundingClientRect();
  let angle = 0;
  const at = () => ({
    clientX: box.x + box.width / 2 + Math.cos(angle) * 60,
    clientY: box.y + box.height / 2 + Math.sin(angle) * 60,
  });
  const fire = (type: string) =>
    canvas.dispatchEvent(
      new PointerEvent(type, { ...at(), pointerId: 1, button: 0, bubbles: true }),
    );
  canvas.setPointerCapture = () => undefined;
  fire('pointerdown');
  const step = () => {
    angle += 0.08;
    fire('pointermove');
    if ((window as any).drifting) setTimeout(step, 16);
    else fire('pointerup');
  };
  step();
}

test('the map while seats change', async ({ arrive }) => {
  test.setTimeout(300_000);
  for (const card of [true, false]) {
    const page = await arrive('about:blank');
    await page.addInitScript(fakeStreams);
    await page.addInitScript(madeUpStream, FRAMES_PER_SECOND);
    if (card) await page.addInitScript(asIfWithACard);
    await page.goto('/');
    await openMatch(page);
    const where = card ? 'all effects' : 'drawn by a processor';
    await measure(page, `far, at rest, ${where}`, 0, false);
    await measure(page, `far, ${where}`, 500, false);
    const box = (await page.getByRole('application').boundingBox())!;
    await page.mouse.click(box.x + box.width * 0.52, box.y + box.height * 0.88);
    await page.mouse.move(5, 5);
    await page.waitForTimeout(1500);
    await measure(page, `near, ${where}`, 500, false);
    await measure(page, `near, the map moves, ${where}`, 500, true);
    await page.getByRole('button', { name: 'Zoom out' }).click();
    await page.waitForTimeout(1500);
    for (const changing of [0, 500, 2000]) {
      await measure(page, `2,000 seats on the screen, moving, ${where}`, changing, true);
    }
    await page.close();
  }
});
