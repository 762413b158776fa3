import { useComputed, useSignal, useSignalEffect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { StadiumMap } from '../map/stadium-map';
import { chosen, chosenAreas, gradeShown, openArea, toggleSeat } from '../state/choice';
import { floor, showFloor } from '../state/floor';
import { asking } from '../state/hold';
import { busy, hold, ownSeats } from '../state/own';
import { openMatch, seatsTick, type OpenMatch } from '../state/match';
import { tell } from '../state/notices';
import { admitted } from '../state/queue';
import { theme } from '../state/settings';
import { language, text } from '../text';
import { areaText, leftText, nameOf, priceRange, seatText } from '../text/format';
import { WORDS } from '../venue/seat-states';
import { Attributes } from './attributes';
import { MapTools } from './map-tools';

interface Pointed {
  seat: number;
  x: number;
  y: number;
}

const TIP_HEIGHT = 110;
const TIP_HALF_WIDTH = 120;

export function StadiumView({ open }: { open: OpenMatch }) {
  const t = text.value;
  const canvas = useRef<HTMLCanvasElement>(null);
  const map = useSignal<StadiumMap | null>(null);
  const pointed = useSignal<Pointed | null>(null);
  const near = useSignal<number | null>(null);

  useEffect(() => {
    let gone = false;
    if (!canvas.current) return;
    void StadiumMap.create(canvas.current, open.table, open.states, floor.peek(), {
      // Read now, because the sale may have opened or closed since the map was drawn.
      onSeat: (seat) => openMatch.value && chooseSeat(openMatch.value, seat),
      onArea: (block) => openMatch.value && chooseArea(openMatch.value, block),
      onHover: (seat, x, y) => {
        pointed.value = seat < 0 ? null : { seat, x, y };
      },
      onPlace: (block) => {
        near.value = block;
      },
    }).then((created) => {
      if (gone) created.destroy();
      else map.value = created;
    });
    return () => {
      gone = true;
      map.value?.destroy();
    };
  }, [open.states]);

  useSignalEffect(() => {
    const mine = [...ownSeats.value].flatMap((id) => open.table.indexOf(id) ?? []);
    map.value?.setMarks(chosen.value, [...mine, ...asking.value]);
  });
  useSignalEffect(() => map.value?.setShownGrades(gradeShown.value));
  useSignalEffect(() => {
    void theme.value;
    map.value?.applyColors();
  });
  useSignalEffect(() => {
    const held = ownSeats.value;
    const withOwn = [...held].flatMap((id) => open.table.indexOf(id) ?? []).map((seat) => open.table.row(seat).block);
    map.value?.setMarkedAreas(new Set([...withOwn, ...chosenAreas.value.map(({ block }) => block)]));
  });
  useSignalEffect(() => {
    void language.value;
    map.value?.setNames(nameOf);
  });
  useSignalEffect(() => map.value?.showFloor(floor.value));
  // Seats that the server picked may be anywhere, so the map flies there.
  const heldIds = useComputed(() => hold.value?.seats.map((line) => line.seatId).join() ?? '');
  useSignalEffect(() => {
    if (!heldIds.value || !map.value) return;
    const seats = heldIds.value.split(',').flatMap((id) => open.table.indexOf(Number(id)) ?? []);
    if (seats.length === 0) return;
    const at = open.table.block(seats[0]).floor;
    showFloor(at);
    map.value.showFloor(at);
    map.value.showSeats(seats.filter((seat) => open.table.block(seat).floor === at));
  });

  return (
    <div class="map">
      <canvas ref={canvas} tabIndex={0} role="application" aria-label={t.map.label} />
      <MapTools map={map.value} />
      {near.value !== null && <Here open={open} block={near.value} />}
      {pointed.value && <SeatTip open={open} width={canvas.current?.clientWidth ?? 0} {...pointed.value} />}
    </div>
  );
}

/** The name of the block on the screen, because at a large scale the map does not show it. */
function Here({ open, block }: { open: OpenMatch; block: number }) {
  void seatsTick.value;
  const t = text.value;
  const { name, section, isArea } = open.table.blocks[block];
  return (
    <p class="map-here">
      <strong>
        {nameOf(open.table.sections[section].name)} {isArea ? nameOf(name) : t.list.block(nameOf(name))}
      </strong>
      <span class="soft">{leftText(open, block)}</span>
    </p>
  );
}

function SeatTip({ open, seat, x, y, width }: Pointed & { open: OpenMatch; width: number }) {
  void seatsTick.value;
  const t = text.value;
  const grade = open.table.grade(seat);
  const mine = ownSeats.value.has(open.table.ids[seat]);
  const word = WORDS[open.states.codes[seat]];
  const state = mine ? t.states.mine : chosen.value.includes(seat) ? t.states.selected : t.states[word];
  const { unitSeats } = open.table.run(seat);
  const below = y < TIP_HEIGHT;
  const middle = Math.min(Math.max(x, TIP_HALF_WIDTH), width - TIP_HALF_WIDTH);
  return (
    <div class="tip" style={{ transform: `translate(${middle}px, ${y}px)` }} aria-hidden="true">
      <div class={below ? 'tip-box tip-below' : 'tip-box'}>
        <strong>{seatText(open.table, seat)}</strong>
        <span>
          {nameOf(grade.name)} · {priceRange(grade)}
        </span>
        <Attributes table={open.table} seat={seat} />
        {unitSeats > 1 && <span>{t.attributes.unit(unitSeats)}</span>}
        <span class="soft">{state}</span>
      </div>
    </div>
  );
}

/** Why the fan can't choose anything now, or null. */
function refusal(open: OpenMatch): string | null {
  const t = text.value;
  if (!admitted.value) return t.problems.codes.PASS_REQUIRED;
  return open.match.status === 'OPEN' ? null : t.choose.notOpen;
}

/** Handles a click, tap or key press on an area without seats, on the map or in the list. */
export function chooseArea(open: OpenMatch, block: number): void {
  const t = text.value;
  if (busy.value) return;
  const refused = refusal(open) ?? (hold.value && t.choose.locked);
  if (refused) tell('info', refused);
  else if (open.states.freeInBlock[block] > 0) openArea(open.table.blocks[block]);
  else tell('info', `${areaText(open.table, open.table.blocks[block])}: ${t.list.soldOut}`);
}

/** Handles a click, tap or key press on a seat, on the map or in the list. */
export function chooseSeat(open: OpenMatch, seat: number): void {
  const t = text.value;
  if (busy.value) return;
  const refused = refusal(open);
  if (refused) tell('info', refused);
  else if (ownSeats.value.has(open.table.ids[seat])) tell('info', t.hold.already(1));
  else if (hold.value) tell('info', t.choose.locked);
  else if (chosen.value.includes(seat) || open.states.isFree(seat)) toggleSeat(seat);
  else tell('info', `${seatText(open.table, seat)}: ${t.states[WORDS[open.states.codes[seat]]]}`);
}
