// The seats of one match: states, holds with deadlines, reservations, and who listens.

import { randomUUID } from 'node:crypto';

const LETTERS = { AVAILABLE: 'A', HOLD: 'H', PENDING: 'P', OCCUPIED: 'O', BLOCKED: 'B' };
const KEPT_FRAMES = 500;

export class MatchSeats {
  constructor(plan, { soldShare = 0 } = {}) {
    this.epoch = 1;
    this.sequence = 0;
    this.blocks = [];
    this.seats = new Map();
    this.listeners = new Set();
    this.frames = [];
    this.holds = new Map();
    const grades = new Map(plan.grades.map((grade) => [grade.code, grade]));
    for (const area of plan.areas) {
      for (const section of area.sections) {
        for (const block of section.blocks) {
          const ids = [];
          for (const row of block.rows) {
            for (let index = 0; index < row.seats; index += 1) {
              const id = row.firstSeatId + index;
              const grade = grades.get(row.grade ?? block.grade);
              const label = `${section.name} ${block.name}블록 ${row.label}열 ${index + 1}번`;
              ids.push(id);
              this.seats.set(id, {
                id, block: block.id, section: section.id, row: row.label, label,
                grade: grade.code, price: grade.price,
                state: Math.random() < soldShare * busy(section.id, row.label) ? 'OCCUPIED' : 'AVAILABLE',
              });
            }
          }
          this.blocks.push({ id: block.id, ids });
        }
      }
    }
  }

  position() {
    return `${this.epoch}-${1_700_000_000_000 + this.sequence}-0`;
  }

  snapshot() {
    const blocks = this.blocks.map(({ id, ids }) => ({
      id,
      states: ids.map((seat) => LETTERS[this.seats.get(seat).state]).join(''),
    }));
    return { version: this.position(), blocks };
  }

  set(ids, state) {
    for (const id of ids) this.seats.get(id).state = state;
    this.sequence += 1;
    const changes = ids.map((seatId) => ({ seatId, state }));
    const frame = { id: this.position(), data: { version: this.position(), changes } };
    this.frames.push(frame);
    if (this.frames.length > KEPT_FRAMES) this.frames.shift();
    for (const send of this.listeners) send('changes', frame.data, frame.id);
  }

  /** Starts a listener: changes since `lastId`, or a snapshot. */
  listen(lastId, send) {
    const at = this.frames.findIndex((frame) => frame.id === lastId);
    if (lastId === this.position()) send(null);
    else if (at >= 0) for (const frame of this.frames.slice(at + 1)) send('changes', frame.data, frame.id);
    else send('snapshot', this.snapshot(), this.position());
    this.listeners.add(send);
    return () => this.listeners.delete(send);
  }

  lines(ids) {
    return ids.map((id) => {
      const { label, price } = this.seats.get(id);
      return { seatId: id, label, price };
    });
  }

  amount(ids) {
    return ids.reduce((sum, id) => sum + this.seats.get(id).price, 0);
  }

  hold(user, ids, ttlMs) {
    const hold = { id: randomUUID(), user, ids, expiresAt: Date.now() + ttlMs, reserved: false };
    this.holds.set(hold.id, hold);
    this.set(ids, 'HOLD');
    hold.timer = setTimeout(() => {
      if (!hold.reserved && this.holds.delete(hold.id)) this.set(ids, 'AVAILABLE');
    }, ttlMs);
    return hold;
  }

  release(hold) {
    clearTimeout(hold.timer);
    this.holds.delete(hold.id);
    this.set(hold.ids, 'AVAILABLE');
  }

  /** Runs of free neighbours, the first that fit. */
  best({ count, grade, sectionIds }, taken = new Set()) {
    for (const { ids } of this.blocks) {
      let run = [];
      for (const id of ids) {
        const seat = this.seats.get(id);
        const fits = seat.state === 'AVAILABLE' && !taken.has(id)
          && (!grade || seat.grade === grade)
          && (!sectionIds?.length || sectionIds.includes(seat.section));
        const joins = run.length > 0 && this.seats.get(run[0]).row === seat.row;
        run = fits ? [...(joins ? run : []), id] : [];
        if (run.length === count) return run;
      }
    }
    return null;
  }

  alternatives(like, count) {
    const { grade } = this.seats.get(like);
    const taken = new Set();
    const found = [];
    while (found.length < 3) {
      const seatIds = this.best({ count, grade }, taken);
      if (!seatIds) break;
      seatIds.forEach((id) => taken.add(id));
      const labels = seatIds.map((id) => this.seats.get(id).label);
      found.push({ seatIds, labels, amount: this.amount(seatIds) });
    }
    return found;
  }
}

/** Seats near the field and behind the plate sell first. */
function busy(section, row) {
  return (section === 1 ? 1.6 : section < 4 ? 1.2 : 0.6) * (1.5 - Number(row) / 24);
}
