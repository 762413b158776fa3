// The current state of every seat of the match, and the number of free seats in each block.

import type { SeatMapChanges, SeatMapSnapshot, SeatWord } from '../api/types';
import type { SeatTable } from './seat-table';

/** The states in the order of their codes in `SeatStates.codes`. */
export const WORDS: SeatWord[] = ['AVAILABLE', 'HOLD', 'PENDING', 'OCCUPIED', 'BLOCKED'];
export const AVAILABLE = 0;
export const HOLD = 1;
const LETTERS = 'AHPOB';

export type SeatsListener = (changed: readonly number[], snapshot: boolean) => void;

export class SeatStates {
  readonly codes: Uint8Array;
  readonly freeInBlock: Int32Array;
  /** False until the first snapshot. Before that no seat counts as free. */
  known = false;
  private readonly blockById: Map<number, number>;
  private readonly listeners = new Set<SeatsListener>();

  constructor(private readonly table: SeatTable) {
    this.codes = new Uint8Array(table.count).fill(WORDS.indexOf('BLOCKED'));
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
      const block = this.table.blocks[index];
      const length = Math.min(states.length, block.seats);
      for (let offset = 0; offset < length; offset += 1) {
        this.put(block.firstSeat + offset, LETTERS.indexOf(states[offset]), changed);
      }
    }
    this.known = true;
    this.tell(changed, true);
  }

  applyChanges(changes: SeatMapChanges['changes']): void {
    const changed: number[] = [];
    for (const { seatId, state } of changes) {
      const seat = this.table.indexOf(seatId);
      if (seat !== undefined) this.put(seat, WORDS.indexOf(state), changed);
    }
    this.tell(changed, false);
  }

  private put(seat: number, code: number, changed: number[]): void {
    const before = this.codes[seat];
    // An unknown state of a newer server counts as not free.
    const after = code < 0 ? WORDS.indexOf('BLOCKED') : code;
    if (before === after) return;
    this.codes[seat] = after;
    const { block } = this.table.row(seat);
    if (before === AVAILABLE) this.freeInBlock[block] -= 1;
    if (after === AVAILABLE) this.freeInBlock[block] += 1;
    changed.push(seat);
  }

  private tell(changed: number[], snapshot: boolean): void {
    for (const listener of this.listeners) listener(changed, snapshot);
  }
}
