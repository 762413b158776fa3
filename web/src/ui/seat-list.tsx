// The stadium as a list of sections, blocks, rows and seats, for keyboards and screen readers.

import { useSignal } from '@preact/signals';
import { chosen, gradeShown } from '../state/choice';
import { ownSeats } from '../state/own';
import { seatsTick, type OpenMatch } from '../state/match';
import { text } from '../text';
import { nameOf, seatText } from '../text/format';
import { WORDS } from '../venue/seat-states';
import type { Block, Row } from '../venue/seat-table';
import { focusWhenShown } from './focus';
import { Icon } from './icon';
import { chooseSeat } from './stadium-view';

export function SeatList({ open }: { open: OpenMatch }) {
  const block = useSignal<Block | null>(null);
  const last = useSignal<Block | null>(null);
  const show = (next: Block | null) => {
    last.value = block.value;
    block.value = next;
  };
  return block.value ? (
    <BlockSeats open={open} block={block.value} onBack={() => show(null)} />
  ) : (
    <Blocks open={open} last={last.value} onBlock={show} />
  );
}

interface BlocksProps {
  open: OpenMatch;
  /** The block that the user has just left. It gets the focus. */
  last: Block | null;
  onBlock: (block: Block) => void;
}

function Blocks({ open, last, onBlock }: BlocksProps) {
  void seatsTick.value;
  const t = text.value;
  const { table, states } = open;
  const shown = (block: Block) => table.runsOf(block).some((run) => gradeShown.value(run.grade));
  return (
    <div class="list" aria-label={t.list.stage}>
      {table.sections.map((section) => (
        <section key={section.id} class="list-section">
          <h2>
            {nameOf(section.name)} <small class="soft">{nameOf(section.areaName)}</small>
          </h2>
          <ul class="list-blocks">
            {section.blocks.map((index) => table.blocks[index]).filter(shown).map((block) => {
              const free = states.freeInBlock[block.index];
              const grade = table.grades[block.grade];
              return (
                <li key={block.id}>
                  <button
                    class="list-block"
                    ref={block === last ? focusWhenShown : undefined}
                    onClick={() => onBlock(block)}
                    disabled={free === 0}
                  >
                    <span class="swatch" style={{ backgroundColor: grade.color }} aria-hidden="true" />
                    <strong>{t.list.block(nameOf(block.name))}</strong>
                    <small class="soft">
                      {nameOf(grade.name)} · {t.won(grade.price)}
                    </small>
                    <span>{free === 0 ? t.list.soldOut : t.map.free(free)}</span>
                  </button>
                </li>
              );
            })}
          </ul>
        </section>
      ))}
    </div>
  );
}

interface BlockSeatsProps {
  open: OpenMatch;
  block: Block;
  onBack: () => void;
}

function BlockSeats({ open, block, onBack }: BlockSeatsProps) {
  const t = text.value;
  const { table } = open;
  return (
    <div class="list">
      <div class="list-head">
        <button class="button small" onClick={onBack} ref={focusWhenShown}>
          <Icon name="back" /> {t.list.sections}
        </button>
        <h2>
          {nameOf(table.sections[block.section].name)} · {t.list.block(nameOf(block.name))}
        </h2>
      </div>
      <p class="soft keys-hint">{t.list.keys}</p>
      <div class="list-rows" onKeyDown={moveFocus}>
        {table.rowsOf(block).map((row) => (
          <SeatRow key={row.firstSeat} open={open} row={row} />
        ))}
      </div>
    </div>
  );
}

function SeatRow({ open, row }: { open: OpenMatch; row: Row }) {
  void seatsTick.value;
  const t = text.value;
  const { table, states } = open;
  return (
    <div class="list-row" role="group" aria-label={t.list.row(row.label)}>
      <span class="list-row-label" aria-hidden="true">
        {row.label}
      </span>
      {Array.from({ length: row.seats }, (_, offset) => {
        const seat = row.firstSeat + offset;
        const shown = gradeShown.value(table.run(seat).grade);
        const selected = chosen.value.includes(seat);
        const isMine = ownSeats.value.has(table.ids[seat]);
        const word = WORDS[states.codes[seat]];
        const state = isMine ? t.states.mine : selected ? t.states.selected : t.states[word];
        return (
          <button
            key={seat}
            class={`list-seat seat-${isMine ? 'mine' : selected ? 'selected' : word.toLowerCase()}`}
            // Tab stops once in each row. Arrow keys move within it.
            tabIndex={offset === 0 ? 0 : -1}
            aria-pressed={selected || isMine}
            aria-disabled={!shown || (word !== 'AVAILABLE' && !selected)}
            aria-label={`${seatText(table, seat)}, ${t.won(table.grade(seat).price)}, ${state}`}
            onClick={() => shown && chooseSeat(open, seat)}
          >
            {table.name(seat)}
          </button>
        );
      })}
    </div>
  );
}

function moveFocus(event: KeyboardEvent): void {
  const seat = (event.target as HTMLElement).closest<HTMLElement>('.list-seat');
  const row = seat?.parentElement;
  if (!seat || !row) return;
  const seats = [...row.querySelectorAll<HTMLElement>('.list-seat')];
  const at = seats.indexOf(seat);
  const sideways: Record<string, HTMLElement | undefined> = {
    ArrowLeft: seats[at - 1],
    ArrowRight: seats[at + 1],
    Home: seats[0],
    End: seats[seats.length - 1],
    ArrowUp: inRow(row.previousElementSibling, at),
    ArrowDown: inRow(row.nextElementSibling, at),
  };
  const next = sideways[event.key];
  if (!next) return;
  event.preventDefault();
  next.focus();
}

function inRow(row: Element | null, at: number): HTMLElement | undefined {
  const seats = row?.querySelectorAll<HTMLElement>('.list-seat');
  return seats?.[Math.min(at, seats.length - 1)];
}
