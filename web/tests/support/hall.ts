// A house with everything that a site plan can have: floors, rows with aisles and turning numbers, names
// with letters, couple seats, a table, a dance floor, places for wheelchairs, texts, circles, an image.

import { draftMatch, Person } from './backstage';

/** Four pixels, so small that the test can carry it. */
const IMAGE =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAFUlEQVR42mO4YwMEdxg+nNDQWBAFACgsBauN5XlLAAAAAElFTkSuQmCC';

const box = (left: number, top: number, right: number, bottom: number) => [
  [left, top], [right, top], [right, bottom], [left, bottom],
];

/** The block of the stalls. Its rows are what plans of real houses have. */
const STALLS = {
  id: 11,
  name: 'A',
  grade: 'STALL',
  floor: 1,
  outline: box(-6, 6, 6, 15),
  moreOutlines: [box(-9, 6, -7, 9)],
  attributes: { accessible: [1501, 1504], companion: [1502, 1503], restrictedView: [1101, 1108], quiet: [1201] },
  rows: [
    // The numbers turn in the middle: 7 5 3 1 2 4 6 8.
    {
      label: '1',
      runs: [
        { firstSeatId: 1101, seats: 4, firstNumber: 7, numberStep: -2, from: [-3.5, 7], to: [-0.5, 7] },
        { firstSeatId: 1105, seats: 4, firstNumber: 2, numberStep: 2, from: [0.5, 7], to: [3.5, 7], joined: true },
      ],
    },
    // An aisle is in the middle.
    {
      label: '2',
      runs: [
        { firstSeatId: 1201, seats: 3, from: [-4, 8.5], to: [-2, 8.5] },
        { firstSeatId: 1204, seats: 3, firstNumber: 4, from: [2, 8.5], to: [4, 8.5] },
      ],
    },
    { label: '3', firstSeatId: 1301, seats: 4, names: ['D1', 'D2', '1_DA', '가3'], from: [-3, 10], to: [3, 10], grade: 'BOX' },
    // Couple seats in a row without a name.
    { firstSeatId: 1401, seats: 4, unitSeats: 2, grade: 'BOX', points: [[-3, 11.5], [-2.1, 11.5], [2.1, 11.5], [3, 11.5]] },
    { label: 'W', firstSeatId: 1501, seats: 4, from: [-3, 13], to: [3, 13] },
  ],
};

/** Six seats around a table. */
const TABLE = {
  id: 21,
  name: 'Table 1',
  grade: 'BOX',
  floor: 1,
  outline: box(8, 6, 13, 11),
  rows: [
    {
      label: 'T1',
      runs: [
        {
          firstSeatId: 2101,
          seats: 4,
          unitSeats: 4,
          points: [[10.5, 7], [12, 8.5], [10.5, 10], [9, 8.5]],
        },
      ],
    },
  ],
};

export const DANCE_FLOOR_PLACES = 40;
const DANCE_FLOOR = {
  id: 31,
  name: '스탠딩 (Dance floor)',
  grade: 'STAND',
  floor: 1,
  outline: box(-6, 1, 6, 5),
  places: { firstSeatId: 3101, count: DANCE_FLOOR_PLACES },
};

const BALCONY = {
  id: 41,
  name: 'B',
  grade: 'STAND',
  floor: 2,
  outline: box(-5, 8, 5, 11),
  rows: [{ label: '1', firstSeatId: 4101, seats: 8, firstNumber: 1042, from: [-4, 9.5], to: [4, 9.5] }],
};

export function hall(): object {
  const section = (id: number, name: string, block: object) => ({ id, name, blocks: [block] });
  return {
    name: '문화 회관 (Town Hall)',
    focus: [0, 0],
    floors: [{ id: 1, name: '1층 (Ground floor)' }, { id: 2, name: '2층 (Balcony)' }],
    shapes: [
      { kind: 'stage', outline: box(-6, -4, 6, 0), floor: 1 },
      { kind: 'table', circle: { center: [10.5, 8.5], radius: 0.9 }, floor: 1 },
      { kind: 'pillar', circle: { center: [0, 8.5], radius: 0.5 }, floor: 1 },
      { kind: 'area', outline: box(8, -3, 13, 3), color: '#b08040', floor: 1 },
    ],
    texts: [
      { text: 'STAGE', at: [0, -2], size: 1.4, floor: 1 },
      { text: 'BAR', at: [10.5, 0], size: 1.2, angle: 90, color: '#ffffff', floor: 1 },
    ],
    images: [{ href: IMAGE, at: [-10.5, 0], width: 3, height: 3, floor: 1 }],
    grades: [
      { code: 'STALL', name: '일반석 (Stalls)', price: 30_000, color: '#2f7fd1' },
      { code: 'BOX', name: '박스석 (Box)', price: 50_000, color: '#c0392b' },
      { code: 'STAND', name: '스탠딩 (Standing)', price: 10_000, color: '#1b8f4e' },
    ],
    areas: [
      { id: 1, name: '객석 (House)', sections: [section(1, '앞 (Front)', STALLS), section(2, '식탁 (Tables)', TABLE)] },
      { id: 2, name: '플로어 (Floor)', sections: [section(3, '플로어 (Floor)', DANCE_FLOOR)] },
      { id: 3, name: '발코니 (Balcony)', sections: [section(4, '위 (Upper)', BALCONY)] },
    ],
  };
}

/** Puts a match in the hall on sale, and returns its id. */
export async function hallMatch(url: string, homeTeam: string, prices?: object): Promise<string> {
  const { match } = await draftMatch(url, homeTeam, hall());
  const admin = await Person.admin(url);
  if (prices) await admin.call('PUT', `/api/admin/matches/${match}/prices`, prices);
  await admin.call('POST', `/api/admin/matches/${match}/open`);
  return match;
}
