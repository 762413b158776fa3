// The stadium as a list of sections, blocks, rows and seats, for keyboards and screen readers.

import { useSignal } from '@preact/signals';
import { Fragment } from 'preact';
import { chosen, chosenAreas, gradeShown } from '../state/choice';
import { floor } from '../state/floor';
import { ownSeats } from '../state/own';
import { seatsTick, type OpenMatch } from '../state/match';
import { text } from '../text';
import { leftText, nameOf, priceRange, seatText } from '../text/format';
import { WORDS } from '../venue/seat-states';
import { ACCESSIBLE, COMPANION, RESTRICTED_VIEW, type Block, type Row } from '../venue/seat-table';
import { attributeNames, PlaceSymbol } from './attributes';
import { focusWhenShown } from './focus';
import { Icon } from './icon';
import { chooseArea, chooseSeat } from './stadium-view';

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
  const t = text.value;
  const { table } = open;
  const shown = (block: Block) =>
    block.floor === floor.value && table.runsOf(block).some((run) => gradeShown.value(run.grade));
  const sections = table.sections
    .map((section) => ({ section, blocks: section.blocks.map((index) => table.blocks[index]).filter(shown) }))
    .filter(({ blocks }) => blocks.length > 0);
  return (
    <div class="list" aria-label={t.list.stage}>
      {sections.map(({ section, blocks }) => (
        <section key={section.id} class="list-section">
          <h2>
            {nameOf(section.name)} <small class="soft">{nameOf(section.areaName)}</small>
          </h2>
          <ul class="list-blocks">
            {blocks.map((block) => (
              <li key={block.id}>
                <BlockButton open={open} block={block} last={last} onBlock={onBlock} />
              </li>
            ))}
          </ul>
        </section>
      ))}
    </div>
  );
}

function BlockButton({ open, block, last, onBlock }: BlocksProps & { block: Block }) {
  void seatsTick.value;
  const t = text.value;
  const { table, states } = open;
  const free = states.freeInBlock[block.index];
  const grade = table.grades[block.grade];
  const isChosen = chosenAreas.value.some((places) => places.block === block.index);
  return (
    <button
      class="list-block"
      ref={block === last ? focusWhenShown : undefined}
      onClick={() => (block.isArea ? chooseArea(open, block.index) : onBlock(block))}
      disabled={free === 0}
      aria-pressed={block.isArea ? isChosen : undefined}
    >
      <span class="swatch" style={{ backgroundColor: grade.color }} aria-hidden="true" />
      <strong>{block.isArea ? nameOf(block.name) : t.list.block(nameOf(block.name))}</strong>
      <small class="soft">
        {nameOf(grade.name)} · {priceRange(grade)}
      </small>
      {block.isArea && <small class="soft">{t.attributes.area}</small>}
      <span>{free === 0 ? t.list.soldOut : leftText(open, block.index)}</span>
    </button>
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
  const t = text.value;
  const runs = open.table.runsOf(row);
  return (
    <div class="list-row" role="group" aria-label={row.label ? t.list.row(row.label) : t.list.rowWithoutName}>
      <span class="list-row-label" aria-hidden="true">
        {row.label}
      </span>
      {runs.map(({ firstSeat, seats, unitSeats, joined }, index) => (
        <Fragment key={firstSeat}>
          {index > 0 && !joined && <span class="list-aisle" aria-hidden="true" />}
          {Array.from({ length: seats }, (_, offset) => (
            <SeatButton
              key={offset}
              open={open}
              seat={firstSeat + offset}
              isFirst={index === 0 && offset === 0}
              // Seats that are sold only together stand closer together.
              inUnit={unitSeats > 1 && (offset + 1) % unitSeats !== 0}
            />
          ))}
        </Fragment>
      ))}
    </div>
  );
}

interface SeatButtonProps {
  open: OpenMatch;
  seat: number;
  isFirst: boolean;
  inUnit: boolean;
}

function SeatButton({ open, seat, isFirst, inUnit }: SeatButtonProps) {
  void seatsTick.value;
  const t = text.value;
  const { table, states } = open;
  const { grade, unitSeats } = table.run(seat);
  const shown = gradeShown.value(grade);
  const selected = chosen.value.includes(seat);
  const isMine = ownSeats.value.has(table.ids[seat]);
  const word = WORDS[states.codes[seat]];
  const state = isMine ? t.states.mine : selected ? t.states.selected : t.states[word];
  const unit = unitSeats > 1 ? [t.attributes.unit(unitSeats)] : [];
  const label = [seatText(table, seat), priceRange(table.grades[grade]), ...attributeNames(table, seat), ...unit, state];
  const classes = [
    'list-seat',
    `seat-${isMine ? 'mine' : selected ? 'selected' : word.toLowerCase()}`,
    ...(table.has(seat, ACCESSIBLE | COMPANION) ? ['list-seat-round'] : []),
    ...(table.has(seat, RESTRICTED_VIEW) ? ['list-seat-restricted'] : []),
    ...(inUnit ? ['list-seat-unit'] : []),
  ];
  return (
    <button
      class={classes.join(' ')}
      // Tab stops once in each row. Arrow keys move within it.
      tabIndex={isFirst ? 0 : -1}
      aria-pressed={selected || isMine}
      aria-disabled={!shown || (word !== 'AVAILABLE' && !selected)}
      aria-label={label.join(', ')}
      onClick={() => shown && chooseSeat(open, seat)}
    >
      <PlaceSymbol table={table} seat={seat} />
      {table.name(seat)}
    </button>
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
