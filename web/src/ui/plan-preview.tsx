// The house of a plan before it is saved: on the map, and as a table.

import { useSignal, useSignalEffect } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import type { SitePlan } from '../api/types';
import { StadiumMap } from '../map/stadium-map';
import { drawing } from '../map/web-gl';
import { theme } from '../state/settings';
import { language, text } from '../text';
import { nameOf } from '../text/format';
import { SeatStates } from '../venue/seat-states';
import { SeatTable, type Block } from '../venue/seat-table';
import { Attributes } from './attributes';
import { FLOOR_PANEL, FloorTabs, tabId } from './floor-tabs';
import { focusWhenShown } from './focus';
import { MapTools } from './map-tools';

/** The id of the floor of a plan without floors. */
const ONLY_FLOOR = 1;
const NO_WORDS = { blocks: [], row: '', rowEnd: '', seat: '', seatOnly: '', end: '' };

export function PlanPreview({ plan, notes }: { plan: SitePlan; notes: string[] }) {
  const t = text.value.plans;
  const table = useMemo(
    // The server makes the names of tickets when the plan is saved.
    () => new SeatTable({ ...plan, id: '', version: 0, labels: { ko: NO_WORDS, en: NO_WORDS } }),
    [plan],
  );
  const places = table.blocks.reduce((sum, block) => sum + (block.isArea ? block.seats : 0), 0);
  const size = t.size(table.count - places, places, table.blocks.length, table.floors.length);
  return (
    <section class="card form" aria-labelledby="plan-read">
      <h2 id="plan-read" tabIndex={-1} ref={focusWhenShown}>
        {t.done(nameOf(plan.name))}
      </h2>
      <p>{size}</p>
      <div class="plan-notes">
        <h3>{notes.length > 0 ? t.notes(notes.length) : t.noNotes}</h3>
        {notes.length > 0 && (
          <>
            <p class="soft">{t.notesHint}</p>
            <ul class="faults" lang="en">
              {notes.map((note, index) => (
                <li key={index}>{note}</li>
              ))}
            </ul>
          </>
        )}
      </div>
      <h3>{t.preview}</h3>
      {drawing() === 'none' ? <p class="banner">{t.noWebGl}</p> : <PlanMap key={table} table={table} />}
      <details>
        <summary>{t.table(table.blocks.length)}</summary>
        <BlockTable table={table} />
      </details>
    </section>
  );
}

function PlanMap({ table }: { table: SeatTable }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const map = useSignal<StadiumMap | null>(null);
  const pointed = useSignal<{ seat: number; x: number; y: number } | null>(null);
  const floor = useSignal(table.floors[0]?.id ?? ONLY_FLOOR);
  useEffect(() => {
    if (!canvas.current) return;
    let gone = false;
    const states = new SeatStates(table);
    states.applySnapshot(table.blocks.map(({ id, seats }) => ({ id, states: 'A'.repeat(seats) })));
    void StadiumMap.create(canvas.current, table, states, floor.peek(), {
      onSeat: () => undefined,
      onArea: () => undefined,
      onHover: (seat, x, y) => {
        pointed.value = seat < 0 ? null : { seat, x, y };
      },
      onPlace: () => undefined,
    }).then((created) => {
      if (gone) created.destroy();
      else map.value = created;
    });
    return () => {
      gone = true;
      map.value?.destroy();
    };
  }, []);
  useSignalEffect(() => {
    void theme.value;
    map.value?.applyColors();
  });
  useSignalEffect(() => {
    void language.value;
    map.value?.setNames(nameOf);
  });
  useSignalEffect(() => map.value?.showFloor(floor.value));
  const hasTabs = table.floors.length > 1;
  return (
    <div class="plan-map">
      {hasTabs && <FloorTabs floors={table.floors} shown={floor.value} onShow={(id) => (floor.value = id)} />}
      <div
        class="map"
        {...(hasTabs && { id: FLOOR_PANEL, role: 'tabpanel', 'aria-labelledby': tabId(floor.value) })}
      >
        <canvas ref={canvas} tabIndex={0} role="application" aria-label={text.value.plans.mapLabel} />
        <MapTools map={map.value} />
        {pointed.value && <SeatTip table={table} {...pointed.value} />}
      </div>
    </div>
  );
}

function SeatTip({ table, seat, x, y }: { table: SeatTable; seat: number; x: number; y: number }) {
  const { list } = text.value;
  const { label } = table.row(seat);
  const parts = [nameOf(table.block(seat).name), label && list.row(label), table.name(seat)];
  return (
    <div class="tip" style={{ transform: `translate(${x}px, ${y}px)` }} aria-hidden="true">
      <div class={y < 90 ? 'tip-box tip-below' : 'tip-box'}>
        <strong>{parts.filter(Boolean).join(' · ')}</strong>
        <span>{nameOf(table.grade(seat).name)}</span>
        <Attributes table={table} seat={seat} />
      </div>
    </div>
  );
}

function BlockTable({ table }: { table: SeatTable }) {
  const t = text.value.plans;
  const hasFloors = table.floors.length > 1;
  const sectionOf = ({ section }: Block) => nameOf(table.sections[section].name);
  const floorOf = ({ floor }: Block) => nameOf(table.floors.find(({ id }) => id === floor)?.name ?? '');
  return (
    <table class="plan-table">
      <thead>
        <tr>
          <th scope="col">{t.block}</th>
          {hasFloors && <th scope="col">{t.floor}</th>}
          <th scope="col">{t.rows}</th>
          <th scope="col">{t.places}</th>
        </tr>
      </thead>
      <tbody>
        {table.blocks.map((block) => (
          <tr key={block.index}>
            <th scope="row">
              {nameOf(block.name)} {sectionOf(block) !== nameOf(block.name) && <small>{sectionOf(block)}</small>}
            </th>
            {hasFloors && <td>{floorOf(block)}</td>}
            <td>{block.isArea ? '–' : block.rows}</td>
            <td>{block.seats.toLocaleString(language.value)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
