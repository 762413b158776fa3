import { useSignal } from '@preact/signals';
import { seatLimit } from '../state/choice';
import { askForSeats } from '../state/hold';
import { busy } from '../state/own';
import type { OpenMatch } from '../state/match';
import { text } from '../text';
import { nameOf } from '../text/format';
import { isCoolingDown } from './cool-down';
import { Icon } from './icon';

export function BestForm({ open }: { open: OpenMatch }) {
  const t = text.value;
  const count = useSignal(Math.min(2, seatLimit.value));
  const grade = useSignal('');
  const section = useSignal('');
  const adjacent = useSignal(true);

  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    void askForSeats({
      bestAvailable: {
        count: count.value,
        adjacent: adjacent.value,
        ...(grade.value && { grade: grade.value }),
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
          <div class="stepper" role="group" aria-label={t.best.count}>
            <button
              type="button"
              disabled={count.value <= 1}
              onClick={() => (count.value -= 1)}
              aria-label={t.best.fewer}
            >
              <Icon name="minus" />
            </button>
            <output aria-live="polite">{count.value}</output>
            <button
              type="button"
              disabled={count.value >= seatLimit.value}
              onClick={() => (count.value += 1)}
              aria-label={t.best.more}
            >
              <Icon name="plus" />
            </button>
          </div>
        </div>
        <div class="best-pair">
          <select
            aria-label={t.best.grade}
            value={grade.value}
            onChange={(event) => (grade.value = event.currentTarget.value)}
          >
            <option value="">{t.best.anyGrade}</option>
            {open.table.grades.map((option) => (
              <option key={option.code} value={option.code}>
                {nameOf(option.name)} · {t.won(option.price)}
              </option>
            ))}
          </select>
          <select
            aria-label={t.best.section}
            value={section.value}
            onChange={(event) => (section.value = event.currentTarget.value)}
          >
            <option value="">{t.best.anySection}</option>
            {open.table.sections.map((option) => (
              <option key={option.id} value={String(option.id)}>
                {nameOf(option.name)}
              </option>
            ))}
          </select>
        </div>
        <button class="button wide" data-testid="best" disabled={busy.value || isCoolingDown(open.match.id)}>
          {t.best.find}
        </button>
      </form>
    </section>
  );
}
