import { useSignal, type Signal } from '@preact/signals';
import { seatLimit } from '../state/choice';
import { askForSeats } from '../state/hold';
import { busy } from '../state/own';
import { ticketTypes, usualPrice } from '../state/prices';
import type { OpenMatch } from '../state/match';
import { text } from '../text';
import { nameOf, priceName } from '../text/format';
import { ACCESSIBLE } from '../venue/seat-table';
import { isCoolingDown } from './cool-down';
import { Icon } from './icon';
import { Stepper } from './stepper';

export function BestForm({ open }: { open: OpenMatch }) {
  const t = text.value;
  const count = useSignal(Math.min(2, seatLimit.value));
  const grade = useSignal('');
  const area = useSignal('');
  const section = useSignal('');
  const adjacent = useSignal(true);

  const types = ticketTypes.value;
  const chosen = useSignal<Record<string, number>>({});
  // Until the fan chooses a number for a type of the list, all seats are for the first type.
  const isChosen = types.some(({ code }) => code in chosen.value);
  const counts = isChosen ? chosen.value : { [types[0]?.code ?? '']: count.value };
  const wantedTypes = Object.fromEntries(types.map(({ code }) => [code, counts[code] ?? 0]));
  const accessible = useSignal(0);
  const wanted =
    types.length > 1
      ? Object.values(wantedTypes).reduce((sum, seats) => sum + seats, 0)
      : count.value;

  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    void askForSeats({
      bestAvailable: {
        count: wanted,
        adjacent: adjacent.value,
        ...(types.length > 1 && { types: withSeats(wantedTypes) }),
        ...(accessible.value > 0 && { accessible: Math.min(accessible.value, wanted) }),
        ...(grade.value && { grade: grade.value }),
        ...(area.value && { areaId: Number(area.value) }),
        ...(section.value && { sectionIds: [Number(section.value)] }),
      },
    });
  };

  return (
    <section class="card">
      <form class="best" onSubmit={submit} aria-labelledby="best-title">
        <h2 id="best-title">{t.best.title}</h2>
        <div class="best-row">
          <label class="tick">
            <input
              type="checkbox"
              checked={adjacent.value}
              onChange={(event) => (adjacent.value = event.currentTarget.checked)}
            />
            {t.best.adjacent}
          </label>
          {types.length < 2 && (
            <Stepper
              value={count.value}
              min={1}
              max={seatLimit.value}
              label={t.best.count}
              fewer={t.best.fewer}
              more={t.best.more}
              onChange={(next) => (count.value = next)}
            />
          )}
        </div>
        {types.length > 1 &&
          types.map(({ code, name }) => (
            <div class="best-row" key={code}>
              <span>{priceName(name)}</span>
              <Stepper
                value={wantedTypes[code]}
                min={0}
                max={wantedTypes[code] + seatLimit.value - wanted}
                label={`${t.best.count}: ${priceName(name)}`}
                fewer={`${t.best.fewer}: ${priceName(name)}`}
                more={`${t.best.more}: ${priceName(name)}`}
                onChange={(next) => (chosen.value = { ...counts, [code]: next })}
              />
            </div>
          ))}
        {open.table.hasAny(ACCESSIBLE) && (
          <div class="best-row">
            <span class="line">
              <span class="attribute">
                <Icon name="wheelchair" /> {t.best.accessible}
              </span>
              {accessible.value > 0 && <small class="soft">{t.best.accessibleHint}</small>}
            </span>
            <Stepper
              value={Math.min(accessible.value, wanted)}
              min={0}
              max={wanted}
              label={t.best.accessible}
              fewer={`${t.best.fewer}: ${t.best.accessible}`}
              more={`${t.best.more}: ${t.best.accessible}`}
              onChange={(next) => (accessible.value = next)}
            />
          </div>
        )}
        <div class="best-pair">
          <select
            aria-label={t.best.grade}
            value={grade.value}
            onChange={(event) => (grade.value = event.currentTarget.value)}
          >
            <option value="">{t.best.anyGrade}</option>
            {open.table.grades.map((option) => (
              <option key={option.code} value={option.code}>
                {nameOf(option.name)} · {t.won(usualPrice(option))}
              </option>
            ))}
          </select>
          <Where open={open} area={area} section={section} />
        </div>
        <button class="button wide" data-testid="best" disabled={busy.value || wanted === 0 || isCoolingDown(open.match.id)}>
          {t.best.find}
        </button>
      </form>
    </section>
  );
}

/** The types of which at least a single seat is wanted. */
function withSeats(counts: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, seats]) => seats > 0));
}

/** The choice of an area, if there are several, and of a section. */
function Where({ open, area, section }: { open: OpenMatch; area: Signal<string>; section: Signal<string> }) {
  const t = text.value.best;
  const { sections, plan } = open.table;
  const here = sections.filter(({ areaId }) => !area.value || String(areaId) === area.value);
  return (
    <>
      {plan.areas.length > 1 && (
        <select
          aria-label={t.area}
          value={area.value}
          onChange={(event) => {
            area.value = event.currentTarget.value;
            // A section of another area would have no seats.
            section.value = '';
          }}
        >
          <option value="">{t.anyArea}</option>
          {plan.areas.map(({ id, name }) => (
            <option key={id} value={String(id)}>
              {nameOf(name)}
            </option>
          ))}
        </select>
      )}
      <select
        aria-label={t.section}
        value={section.value}
        onChange={(event) => (section.value = event.currentTarget.value)}
      >
        <option value="">{t.anySection}</option>
        {here.map(({ id, name }) => (
          <option key={id} value={String(id)}>
            {nameOf(name)}
          </option>
        ))}
      </select>
    </>
  );
}
