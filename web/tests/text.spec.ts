// Texts: one name for each seat, cuts between letters, and times with year and time zone.

import { expect } from '@playwright/test';
import { errorCodeValues } from '../src/api/schema';
import { halfOf, orderName } from '../src/text/names';
import { sentenceOf, type Place } from '../src/text/problems';
import { sentences as en } from '../src/text/problems-en';
import { sentences as ko } from '../src/text/problems-ko';
import { Person, smallMatch } from './support/backstage';
import { comeAsNewFan, holdBest, reserve, showList, test, ticket } from './support/fan';

const row = (first: number, seats: number) => ({
  label: '1', firstSeatId: first, seats, from: [0, 10], to: [seats, 10],
});
const OUTLINE = [[-1, 8], [9, 8], [9, 12], [-1, 12]];
const block = (id: number) => ({
  id, name: '101', grade: 'ONE', outline: OUTLINE, rows: [row(id * 100, 2)],
});

/** Blocks with the same name, which differ only in section and area. */
async function likeNames(url: string): Promise<string> {
  const admin = await Person.admin(url);
  const sections = (id: number) => [
    { id, name: '응원석 (1)', blocks: [block(id)] },
    { id: id + 1, name: '응원석 (2)', blocks: [block(id + 1)] },
  ];
  const site = await admin.call('POST', '/api/admin/sites', {
    name: '쌍둥이 구장 (Twin Park)',
    focus: [0, 0],
    grades: [{ code: 'ONE', name: '벤치 (Bench)', price: 1000, color: '#1b8f4e' }],
    areas: [
      { id: 1, name: '1루 (First base)', sections: sections(1) },
      { id: 2, name: '3루 (Third base)', sections: sections(3) },
    ],
  });
  const match = await admin.call('POST', '/api/admin/matches', {
    siteId: site.id, homeTeam: 'Alike', awayTeam: 'Likewise', startsAt: '2031-05-05T05:00:00Z',
  });
  await admin.call('POST', `/api/admin/matches/${match.id}/open`);
  return match.id;
}

test('the list, the panel and the ticket use the server’s name for a seat', async ({
  arrive,
  server,
}) => {
  const match = await likeNames(server.url);
  const other = await Person.signUp(server.url);
  const { seats } = await other.call('POST', `/api/matches/${match}/holds`, { seatIds: [201, 301] });
  const page = await arrive(`/#/matches/${match}`);
  await showList(page);
  for (const [index, section] of [1, 2].entries()) {
    await page.locator('.list-block').nth(section).click();
    await expect(page.locator(`.list-seat[aria-label^="${seats[index].label}, "]`)).toHaveCount(1);
    await page.getByRole('button', { name: 'Sections' }).click();
  }
  await page.getByRole('button', { name: 'Read in Korean' }).click();
  await page.locator('.list-block').nth(1).click();
  await expect(page.locator(`.list-seat[aria-label^="${seats[0].labelKo}, "]`)).toHaveCount(1);
  await page.getByRole('button', { name: '영어로 보기' }).click();

  await comeAsNewFan(page);
  await holdBest(page);
  const lines = page.getByTestId('held').locator('.lines strong');
  const held = await lines.allInnerTexts();
  expect(held[0]).toMatch(/^(First|Third) base 응원석 \([12]\) 101, row 1, seat [12]$/);
  await reserve(page);
  for (const line of held) await expect(ticket(page)).toContainText(line);
  await page.getByRole('button', { name: 'Read in Korean' }).click();
  await expect(ticket(page)).toContainText(/[13]루 응원석 \([12]\) 101 블록 1열 [12]번/);
});

test('a match of another year shows the year, and all times show their time zone', async ({
  arrive,
  server,
}) => {
  const match = await likeNames(server.url);
  const page = await arrive(`/#/matches/${match}`);
  await expect(page.locator('.match-head')).toContainText(/2031.*14:00 \(Korean time\)/);
  await comeAsNewFan(page);
  await holdBest(page);
  await reserve(page);
  await expect(ticket(page)).toContainText(/2031.*14:00 \(Korean time\)/);
  await page.getByRole('button', { name: 'Read in Korean' }).click();
  await expect(ticket(page)).toContainText(/2031년.*\(한국 시간\)/);
});

test('the name of an order has whole letters, both teams and the number of seats', async ({ arrive, server }) => {
  const family = '👩‍👩‍👧‍👦';
  const match = await smallMatch(server.url, `Long ${family.repeat(12)}`, 4);
  const page = await arrive(`/#/matches/${match}`);
  await comeAsNewFan(page);
  await holdBest(page);
  await reserve(page);
  await page.getByTestId('pay').click();
  await page.waitForURL('**/pay?**');
  const name = new URL(page.url()).searchParams.get('orderName') ?? '';
  expect(name).toMatch(/^Long .*… vs The World, 2 seats$/);
  expect(name.length).toBeLessThanOrEqual(100);
  const cut = name.slice('Long '.length, name.indexOf('…'));
  expect(cut).toBe(family.repeat(cut.length / family.length));
});

test('names are cut between letters, and the short name stays whole', () => {
  expect(orderName('LG', 'Doosan', '2 seats')).toBe('LG vs Doosan, 2 seats');
  const long = orderName('가'.repeat(90), 'Doosan', '4석');
  expect(long).toMatch(/^가+… vs Doosan, 4석$/);
  for (const both of [orderName('a'.repeat(100), 'b'.repeat(100), '4 seats'), long]) {
    expect(both.length).toBeLessThanOrEqual(100);
    expect(both.length).toBeGreaterThan(95);
  }
});

test('each reader gets the part of a name in their language', () => {
  const table = [
    ['1루 홈 (Home)', '1루 홈', 'Home'],
    ['응원석 (1)', '응원석 (1)', '응원석 (1)'],
    ['응원석 (A)', '응원석 (A)', '응원석 (A)'],
    ['응원석 (2) (Cheering 2)', '응원석 (2)', 'Cheering 2'],
    ['가 (Home) (2)', '가 (Home) (2)', '가 (Home) (2)'],
    ['Home (north)', 'Home (north)', 'Home (north)'],
  ];
  for (const [name, korean, english] of table) {
    expect(halfOf(name, 'ko')).toBe(korean);
    expect(halfOf(name, 'en')).toBe(english);
  }
});

test('every code of the server has a sentence in both languages, at every place', () => {
  for (const [sentences, isOurs] of [[ko, /[가-힣]/], [en, /^[^가-힣]*[A-Za-z]{2}[^가-힣]*$/]] as const) {
    expect(Object.keys(sentences.codes).sort()).toEqual([...errorCodeValues].sort());
    const places = [undefined, ...(Object.keys(sentences.at) as Place[])];
    for (const code of [...errorCodeValues, 'NETWORK', 'HTTP_429', 'HTTP_502'] as const) {
      for (const place of places) {
        expect(sentenceOf(sentences, code, place), `${code} at ${place}`).toMatch(isOurs);
      }
    }
    expect(sentenceOf(sentences, 'VALIDATION', 'payment')).not.toBe(
      sentenceOf(sentences, 'VALIDATION', 'account'),
    );
  }
});
