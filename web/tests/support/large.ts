// A bowl with 200,000 seats, the largest plan that the server takes.

import { draftMatch, Person } from './backstage';

const TIERS = 4;
const BLOCKS_PER_TIER = 125;
const ROWS = 20;
const SEATS_PER_ROW = 20;
/** Seats of the whole plan. */
export const LARGE_SEATS = TIERS * BLOCKS_PER_TIER * ROWS * SEATS_PER_ROW;

const SEAT_METRES = 0.5;
const ROW_METRES = 0.8;
/** Half axes of the first row of the first tier. The blocks of a tier stand side by side on an ellipse. */
const FIRST = { x: 280, y: 220 };
const TIER_METRES = ROWS * ROW_METRES + 6;

const round = (metres: number) => Math.round(metres * 100) / 100;

/** Centre, outward and sideways directions of a block. */
function placeOf(tier: number, block: number) {
  const angle = ((block + 0.5) / BLOCKS_PER_TIER) * 2 * Math.PI;
  const [x, y] = [(FIRST.x + tier * TIER_METRES) * Math.cos(angle), (FIRST.y + tier * TIER_METRES) * Math.sin(angle)];
  const [normalX, normalY] = [Math.cos(angle) / FIRST.x, Math.sin(angle) / FIRST.y];
  const length = Math.hypot(normalX, normalY);
  const out = { x: normalX / length, y: normalY / length };
  return { x, y, out, side: { x: -out.y, y: out.x } };
}

function blockOf(tier: number, index: number): object {
  const number = tier * BLOCKS_PER_TIER + index;
  const { x, y, out, side } = placeOf(tier, index);
  const at = (sideways: number, outwards: number) => [
    round(x + side.x * sideways + out.x * outwards),
    round(y + side.y * sideways + out.y * outwards),
  ];
  const half = ((SEATS_PER_ROW - 1) / 2) * SEAT_METRES;
  const rows = Array.from({ length: ROWS }, (_, row) => ({
    label: String(row + 1),
    firstSeatId: number * 1000 + row * SEATS_PER_ROW + 1,
    seats: SEATS_PER_ROW,
    from: at(-half, row * ROW_METRES),
    to: at(half, row * ROW_METRES),
  }));
  const [left, right, far] = [-half - 0.5, half + 0.5, ROWS * ROW_METRES];
  return {
    id: number + 1,
    name: String((tier + 1) * 1000 + index),
    grade: `TIER_${tier + 1}`,
    outline: [at(left, -0.7), at(right, -0.7), at(right, far), at(left, far)],
    rows,
  };
}

/** The ids of all seats of the plan. */
export function largeSeatIds(): number[] {
  return Array.from({ length: LARGE_SEATS }, (_, seat) => {
    const perBlock = ROWS * SEATS_PER_ROW;
    return Math.floor(seat / perBlock) * 1000 + (seat % perBlock) + 1;
  });
}

export function largePlan(): object {
  const tiers = Array.from({ length: TIERS }, (_, tier) => tier);
  return {
    name: 'Large Bowl',
    focus: [0, 0],
    shapes: [{ kind: 'grass', outline: [[-200, -150], [200, -150], [200, 150], [-200, 150]] }],
    grades: tiers.map((tier) => ({
      code: `TIER_${tier + 1}`,
      name: `Tier ${tier + 1}`,
      price: 40_000 - tier * 8_000,
      color: ['#d55e00', '#0072b2', '#009e73', '#7b5ea7'][tier],
    })),
    areas: tiers.map((tier) => ({
      id: tier + 1,
      name: `Tier ${tier + 1}`,
      sections: [
        {
          id: tier + 1,
          name: 'Ring',
          blocks: Array.from({ length: BLOCKS_PER_TIER }, (_, block) => blockOf(tier, block)),
        },
      ],
    })),
  };
}

/** Puts a match in the bowl on sale, and returns its id. */
export async function largeMatch(url: string): Promise<string> {
  const { match } = await draftMatch(url, 'Large Town', largePlan());
  await (await Person.admin(url)).call('POST', `/api/admin/matches/${match}/open`);
  return match;
}
