// The current state of every seat of the match, and the number of free seats in each block.

import type { SeatMapChanges, SeatMapSnapshot, SeatWord } from '../api/types';
import type { SeatTable } from './seat-table';

/** The states in the order of their codes in `SeatStates.codes`. */
export const WORDS: SeatWord[] = ['AVAILABLE', 'HOLD', 'PENDING', 'OCCUPIED', 'BLOCKED'];
export const AVAILABLE = 0;
export const HOLD = 1;
/** An unknown state of a newer server counts as not free. */
const BLOCKED = WORDS.indexOf('BLOCKED');
/** The code of a state by the letter that stands for it in a snapshot. */
const CODES: (number | undefined)[] = [];
for (const [code, letter] of [...'AHPOB'].entries()) CODES[letter.charCodeAt(0)] = code;

export type SeatsListener = (changed: readonly number[], snapshot: boolean) => void;

export class SeatStates {
  readonly codes: Uint8Array;
  readonly freeInBlock: Int32Array;
  /** False until the first snapshot. Before that no seat counts as free. */
  known = false;
  private readonly blockById: Map<number, number>;
  private readonly listeners = new Set<SeatsListener>();

  constructor(private readonly table: SeatTable) {
    this.codes = new Uint8Array(table.count).fill(BLOCKED);
    this.freeInBlock = new Int32Array(table.blocks.length);
    this.blockById = new Map(table.blocks.map((block) => [block.id, block.index]));
  }

  subscribe(listener: SeatsListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  isFree(seat: number): boolean {
    return this.codes[seat] === AVAILABLE;
  }

  get free(): number {
    return this.freeInBlock.reduce((sum, free) => sum + free, 0);
  }

  applySnapshot(blocks: SeatMapSnapshot['blocks']): void {
    const changed: number[] = [];
    for (const { id, states } of blocks) {
      const index = this.blockById.get(id);
      if (index === undefined) continue;
      const { firstSeat, seats } = this.table.blocks[index];
      const length = Math.min(states.length, seats);
      for (let offset = 0; offset < length; offset += 1) {
        const code = CODES[states.charCodeAt(offset)] ?? BLOCKED;
        // Most seats are as before. A large plan has 200,000 of them.
        if (this.codes[firstSeat + offset] !== code) this.put(firstSeat + offset, code, index, changed);
      }
    }
    this.known = true;
    this.tell(changed, true);
  }

  applyChanges(changes: SeatMapChanges['changes']): void {
    const changed: number[] = [];
    for (const { seatId, state } of changes) {
      const seat = this.table.indexOf(seatId);
      if (seat === undefined) continue;
      const code = WORDS.indexOf(state);
      this.put(seat, code < 0 ? BLOCKED : code, this.table.row(seat).block, changed);
    }
    this.tell(changed, false);
  }

  private put(seat: number, after: number, block: number, changed: number[]): void {
    const before = this.codes[seat];
    if (before === after) return;
    this.codes[seat] = after;
    if (before === AVAILABLE) this.freeInBlock[block] -= 1;
    if (after === AVAILABLE) this.freeInBlock[block] += 1;
    changed.push(seat);
  }

  private tell(changed: number[], snapshot: boolean): void {
    for (const listener of this.listeners) listener(changed, snapshot);
  }
}
