// A plausible ball park of about 25,000 seats, for development without the real server.

const ROW_GAP = 0.82;
const SEAT_GAP = 0.5;
const AISLE = 1.3;

const GRADES = [
  { code: 'PREMIUM', name: '프리미엄석', price: 75000, color: '#b4468f' },
  { code: 'TABLE', name: '테이블석', price: 52000, color: '#7a5cd6' },
  { code: 'CHEER', name: '응원석', price: 24000, color: '#e2603d' },
  { code: 'BLUE', name: '블루석', price: 22000, color: '#2f7fd1' },
  { code: 'NAVY', name: '네이비석', price: 16000, color: '#3f9aa8' },
  { code: 'OUTFIELD', name: '외야석', price: 9000, color: '#3d9a5b' },
];

/** Sections by direction in degrees, clockwise from behind home plate (downwards on the map). */
const SECTIONS = [
  { area: 0, name: '중앙', from: -30, to: 30, lower: 'PREMIUM', upper: 'TABLE', number: 1 },
  { area: 0, name: '3루', from: 30, to: 100, lower: 'CHEER', upper: 'NAVY', number: 2 },
  { area: 0, name: '1루', from: -100, to: -30, lower: 'BLUE', upper: 'NAVY', number: 3 },
  { area: 1, name: '좌익 외야', from: 100, to: 170, lower: 'OUTFIELD', upper: null, number: 4 },
  { area: 1, name: '우익 외야', from: -170, to: -100, lower: 'OUTFIELD', upper: null, number: 5 },
];

const AREAS = ['내야', '외야'];

export function makePlan() {
  let nextSeat = 1;
  let nextBlock = 1;
  const areas = AREAS.map((name, index) => ({ id: index + 1, name, sections: [] }));
  for (const [index, section] of SECTIONS.entries()) {
    const blocks = [];
    const tiers = [
      { grade: section.lower, inner: 66, rows: 24, step: 10, hundred: 0 },
      { grade: section.upper, inner: 90, rows: 15, step: 10, hundred: 50 },
    ];
    for (const tier of tiers) {
      if (!tier.grade) continue;
      let number = section.number * 100 + tier.hundred + 1;
      for (let from = section.from; from + tier.step <= section.to + 0.01; from += tier.step) {
        const block = makeBlock(nextBlock, String(number), tier, from, from + tier.step, nextSeat);
        nextSeat += block.rows.reduce((sum, row) => sum + row.seats, 0);
        nextBlock += 1;
        number += 1;
        blocks.push(block);
      }
    }
    areas[section.area].sections.push({ id: index + 1, name: section.name, blocks });
  }
  return { name: '한빛 야구장', focus: [0, 40], shapes: makeShapes(), grades: GRADES, areas };
}

function makeBlock(id, name, tier, fromDegrees, toDegrees, firstSeatId) {
  const rows = [];
  let seat = firstSeatId;
  for (let index = 0; index < tier.rows; index += 1) {
    const radius = tier.inner + 1 + index * ROW_GAP;
    const pad = AISLE / 2 / radius;
    const from = radians(fromDegrees) + pad;
    const to = radians(toDegrees) - pad;
    const seats = Math.floor(((to - from) * radius) / SEAT_GAP) + 1;
    const spare = (to - from - ((seats - 1) * SEAT_GAP) / radius) / 2;
    rows.push({
      label: String(index + 1),
      firstSeatId: seat,
      seats,
      from: at(radius, from + spare),
      to: at(radius, to - spare),
      // Walking clockwise the middle of the row lies to the left, away from the field.
      bow: -round(radius * (1 - Math.cos((to - from) / 2 - spare))),
    });
    seat += seats;
  }
  const outer = tier.inner + 1 + tier.rows * ROW_GAP;
  return { id, name, grade: tier.grade, outline: sector(tier.inner, outer, fromDegrees, toDegrees), rows };
}

function sector(inner, outer, fromDegrees, toDegrees) {
  const pad = 0.25;
  const outline = [];
  for (let step = 0; step <= 6; step += 1) {
    outline.push(at(outer, radians(fromDegrees + pad + ((toDegrees - fromDegrees - 2 * pad) * step) / 6)));
  }
  for (let step = 6; step >= 0; step -= 1) {
    outline.push(at(inner, radians(fromDegrees + pad + ((toDegrees - fromDegrees - 2 * pad) * step) / 6)));
  }
  return outline;
}

function makeShapes() {
  const circle = (cx, cy, r, n = 64) =>
    Array.from({ length: n }, (_, i) => {
      const angle = (i / n) * 2 * Math.PI;
      return [round(cx + r * Math.cos(angle)), round(cy + r * Math.sin(angle))];
    });
  const diamond = (cx, cy, r) => [[cx, cy + r], [cx + r, cy], [cx, cy - r], [cx - r, cy]];
  return [
    { kind: 'wall', outline: circle(0, 0, 64.5) },
    { kind: 'grass', outline: circle(0, 0, 62.5) },
    { kind: 'dirt', outline: circle(0, 22, 24) },
    { kind: 'grass', outline: diamond(0, 24, 15) },
    { kind: 'dirt', outline: circle(0, 24, 2.6, 24) },
    { kind: 'dirt', outline: circle(0, 41, 3.6, 24) },
    { kind: 'line', outline: [[0, 41], [-44, -3], [-43.6, -3.4], [0, 40.3]] },
    { kind: 'line', outline: [[0, 41], [44, -3], [43.6, -3.4], [0, 40.3]] },
  ];
}

// Zero degrees points down (behind home plate); angles grow clockwise on the screen.
function at(radius, angle) {
  return [round(-radius * Math.sin(angle)), round(radius * Math.cos(angle))];
}

const radians = (degrees) => (degrees * Math.PI) / 180;
const round = (value) => Math.round(value * 1000) / 1000;
