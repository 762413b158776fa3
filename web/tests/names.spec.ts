// What is drawn on a seat: its number, however large, or its name.

import { expect, type Page } from '@playwright/test';
import { draftMatch, Person } from './support/backstage';
import { live, test } from './support/fan';

/** Numbers that consist of ones, because between two ones there is always a gap. */
const NUMBERS = Array.from({ length: 10 }, (_, index) => Number('1'.repeat(index + 1)));

/** A site with one row for each number, all in a line, a metre apart. Rows without labels hide none. */
function numbersPlan(): object {
  const rows = NUMBERS.map((firstNumber, index) => ({
    firstSeatId: index + 1, seats: 1, firstNumber, from: [index, 0], to: [index, 0],
  }));
  const outline = [[-0.5, -1], [9.5, -1], [9.5, 1], [-0.5, 1]];
  const block = { id: 1, name: '1', grade: 'ONE', outline, rows };
  return {
    name: 'Number Park',
    focus: [0, -10],
    grades: [{ code: 'ONE', name: 'Bench', price: 1000, color: '#103060' }],
    areas: [{ id: 1, name: 'Park', sections: [{ id: 1, name: 'Benches', blocks: [block] }] }],
  };
}

/**
 * How many marks of ink stand side by side on each of the seats of a row that fills the map. The text
 * is light on a dark seat.
 */
async function marksOn(page: Page, seats: number): Promise<number[]> {
  const map = page.getByRole('application');
  const png = (await map.screenshot({ animations: 'disabled' })).toString('base64');
  return page.evaluate(
    async ([data, count]) => {
      const image = new Image();
      image.src = `data:image/png;base64,${data}`;
      await image.decode();
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [image.width, image.height];
      const context = canvas.getContext('2d')!;
      context.drawImage(image, 0, 0);
      const metre = Math.min(image.width / count, image.height / 2) * 0.95;
      return Array.from({ length: count }, (_, seat) => {
        const left = image.width / 2 + (seat - count / 2) * metre;
        const [from, to] = [Math.round(left + metre * 0.15), Math.round(left + metre * 0.85)];
        let marks = 0;
        let before = false;
        for (let x = from; x < to; x += 1) {
          const { data: column } = context.getImageData(x, image.height / 2 - metre * 0.1, 1, metre * 0.2);
          let light = 0;
          for (let at = 0; at < column.length; at += 4) light = Math.max(light, column[at]);
          const ink = light > 150;
          if (ink && !before) marks += 1;
          before = ink;
        }
        return marks;
      });
    },
    [png, seats] as const,
  );
}

test('a seat shows all digits of its number', async ({ arrive, server }) => {
  const { match } = await draftMatch(server.url, 'Number Town', numbersPlan());
  await (await Person.admin(server.url)).call('POST', `/api/admin/matches/${match}/open`);
  const page = await arrive('about:blank', { viewport: { width: 1280, height: 800 }, deviceScaleFactor: 4 });
  await page.goto(`${server.url}/#/matches/${match}`);
  await expect(live(page)).toHaveText('Live');
  await expect.poll(() => marksOn(page, NUMBERS.length)).toEqual(NUMBERS.map((_, index) => index + 1));
});
