import { clearFilters, gradesWanted, highestPrice, toggleGrade } from '../state/choice';
import type { OpenMatch } from '../state/match';
import { pricesDiffer, typesFor, usualPrice } from '../state/prices';
import { text } from '../text';
import { nameOf, priceName } from '../text/format';

export function GradeFilter({ open }: { open: OpenMatch }) {
  const t = text.value;
  const prices = [...new Set(open.table.grades.map(usualPrice))].sort((a, b) => a - b);
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
            <span class="price">
              {pricesDiffer(grade) && <small>{priceName(typesFor(grade)[0].name)} </small>}
              {t.won(usualPrice(grade))}
            </span>
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
