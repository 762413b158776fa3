import { clearFilters, gradesWanted, highestPrice, toggleGrade } from '../state/choice';
import type { OpenMatch } from '../state/match';
import { text } from '../text';
import { nameOf } from '../text/format';

export function GradeFilter({ open }: { open: OpenMatch }) {
  const t = text.value;
  const prices = [...new Set(open.table.grades.map((grade) => grade.price))].sort((a, b) => a - b);
  const filtered = gradesWanted.value.size > 0 || highestPrice.value !== null;
  return (
    <section class="card filter" aria-labelledby="filter-title">
      <div class="card-head">
        <h2 id="filter-title">{t.filter.title}</h2>
        {filtered && (
          <button class="link" onClick={clearFilters}>
            {t.filter.reset}
          </button>
        )}
      </div>
      <div class="grades">
        {open.table.grades.map((grade) => (
          <button
            key={grade.code}
            class="grade"
            aria-pressed={gradesWanted.value.has(grade.code)}
            onClick={() => toggleGrade(grade.code)}
          >
            <span class="swatch" style={{ backgroundColor: grade.color }} aria-hidden="true" />
            <span>{nameOf(grade.name)}</span>
            <span class="price">{t.won(grade.price)}</span>
          </button>
        ))}
      </div>
      <label class="best-row">
        <span>{t.filter.price}</span>
        <select
          value={String(highestPrice.value ?? '')}
          onChange={(event) => {
            const { value } = event.currentTarget;
            highestPrice.value = value ? Number(value) : null;
          }}
        >
          <option value="">{t.filter.anyPrice}</option>
          {prices.map((price) => (
            <option key={price} value={String(price)}>
              {t.filter.upTo(t.won(price))}
            </option>
          ))}
        </select>
      </label>
    </section>
  );
}
