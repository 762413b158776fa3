// What the fan has chosen, line by line: seats, seats that are sold only together, places of areas.

import {
  chosen,
  chosenAreas,
  chosenCount,
  closeArea,
  placesOf,
  seatLimit,
  setPlaces,
  setTypeOfSeat,
  toggleSeat,
  typeOfSeat,
} from '../state/choice';
import { asking } from '../state/hold';
import { seatsTick, type OpenMatch } from '../state/match';
import { priceFor, typesFor } from '../state/prices';
import { text } from '../text';
import { areaText, nameOf, priceName, seatText } from '../text/format';
import { RESTRICTED_VIEW, type SeatTable } from '../venue/seat-table';
import { Attributes } from './attributes';
import { Icon } from './icon';
import { Stepper } from './stepper';

export function ChoiceLines({ open }: { open: OpenMatch }) {
  const { table } = open;
  const firsts = chosen.value.filter((seat) => table.unitOf(seat)[0] === seat);
  const areas = [...new Set(chosenAreas.value.map(({ block }) => block))];
  return (
    <ul class="lines">
      {firsts.map((seat) =>
        table.run(seat).unitSeats > 1 ? (
          <Unit key={seat} table={table} seats={table.unitOf(seat)} />
        ) : (
          <li key={seat} class={asking.value.includes(seat) ? 'asking' : ''}>
            <Seat table={table} seat={seat} />
            <Remove label={text.value.choose.remove(seatText(table, seat))} onClick={() => toggleSeat(seat)} />
          </li>
        ),
      )}
      {areas.map((block) => (
        <Area key={block} open={open} block={block} />
      ))}
    </ul>
  );
}

function Seat({ table, seat }: { table: SeatTable; seat: number }) {
  const t = text.value;
  const grade = table.grade(seat);
  const types = typesFor(grade);
  const type = typeOfSeat(table, seat);
  return (
    <span class="line">
      <strong>{seatText(table, seat)}</strong>
      {types.length > 1 ? (
        <select
          aria-label={t.choose.typeOf(seatText(table, seat))}
          value={type ?? ''}
          onChange={(event) => setTypeOfSeat(seat, event.currentTarget.value)}
        >
          {types.map(({ code, name }) => (
            <option key={code} value={code}>
              {priceName(name)} · {t.won(priceFor(grade, code))}
            </option>
          ))}
        </select>
      ) : (
        <small class="soft">
          {[nameOf(grade.name), ...types.map(({ name }) => priceName(name)), t.won(priceFor(grade, type))].join(' · ')}
        </small>
      )}
      <Attributes table={table} seat={seat} />
      {table.has(seat, RESTRICTED_VIEW) && <small class="soft">{t.attributes.restrictedViewHint}</small>}
    </span>
  );
}

function Unit({ table, seats }: { table: SeatTable; seats: number[] }) {
  const t = text.value;
  const title = t.attributes.unit(seats.length);
  return (
    <li class={seats.some((seat) => asking.value.includes(seat)) ? 'unit asking' : 'unit'}>
      <span class="line" role="group" aria-label={title}>
        <span class="line-head">
          <span class="unit-title">{title}</span>
          <Remove label={t.choose.unitRemove(seats.length)} onClick={() => toggleSeat(seats[0])} />
        </span>
        {seats.map((seat) => (
          <Seat key={seat} table={table} seat={seat} />
        ))}
      </span>
    </li>
  );
}

function Area({ open, block }: { open: OpenMatch; block: number }) {
  void seatsTick.value;
  const t = text.value;
  const { table, states } = open;
  const area = table.blocks[block];
  const name = areaText(table, area);
  const grade = table.grades[area.grade];
  const types = typesFor(grade);
  const room = Math.min(states.freeInBlock[block] - placesOf(block), seatLimit.value - chosenCount.value);
  const rows = types.length > 0 ? types : [null];
  return (
    <li class="area-line">
      <span class="line" role="group" aria-label={name}>
        <span class="line-head">
          <strong>{name}</strong>
          <Remove label={t.choose.remove(name)} onClick={() => closeArea(block)} />
        </span>
        <small class="soft">
          {nameOf(grade.name)} · {t.map.placesFree(states.freeInBlock[block])}
        </small>
        {rows.map((type, index) => {
          const code = type?.code ?? null;
          const what = type ? `${name}, ${priceName(type.name)}` : name;
          const quantity = placesOf(block, code);
          return (
            <span key={code} class="area-row">
              <span>
                {type && `${priceName(type.name)} · `}
                {t.won(priceFor(grade, code))}
              </span>
              <Stepper
                value={quantity}
                min={0}
                max={quantity + Math.max(0, room)}
                label={type ? `${t.choose.places} ${priceName(type.name)}` : t.choose.places}
                fewer={t.choose.placesFewer(what)}
                more={t.choose.placesMore(what)}
                focus={index === 0}
                onChange={(next) => setPlaces(block, code, next)}
              />
            </span>
          );
        })}
      </span>
    </li>
  );
}

function Remove({ label, onClick }: { label: string; onClick: () => void }) {
  return (
    <button class="plain" onClick={onClick} aria-label={label}>
      <Icon name="close" />
    </button>
  );
}
