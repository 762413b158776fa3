import { useSignal } from '@preact/signals';
import { fetchSites } from '../api/plans';
import type { SitePlan } from '../api/types';
import { draftChanged, faultsOf, mayCreate, saveError, savePlan, saving } from '../state/plan-import';
import { sentenceFor, text } from '../text';
import { nameOf } from '../text/format';
import { Failure } from './failure';
import { FaultList } from './fault-list';
import { useLoaded } from './use-loaded';

const PRICE_MAX = 10_000_000;

/** The prices of the grades, and where the plan is saved. */
export function PlanSaveForm({ plan }: { plan: SitePlan }) {
  const t = text.value.plans;
  const sites = useLoaded(fetchSites);
  /** An id, or empty for a new site. */
  const site = useSignal('');
  if (sites.error.value && !sites.data.value) return <Failure error={sites.error.value} retry={sites.reload} />;
  if (!sites.data.value) return <p class="soft">{text.value.loading}</p>;
  if (!mayCreate.value && sites.data.value.length === 0) return <p class="banner">{t.noSites}</p>;
  const target = site.value || (mayCreate.value ? '' : sites.data.value[0].id);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget as HTMLFormElement);
    const grades = plan.grades.map((grade) => ({ ...grade, price: Number(fields.get(grade.code)) }));
    void savePlan({ ...plan, grades }, target || null);
  };
  return (
    <form class="card form" onSubmit={submit} onInput={draftChanged} aria-labelledby="plan-save">
      <h2 id="plan-save">{t.prices}</h2>
      <p class="soft">{t.pricesHint}</p>
      <ul class="plan-prices">
        {plan.grades.map(({ code, name, price, color }) => (
          <li key={code}>
            <label>
              <span>
                <span class="swatch" style={{ backgroundColor: color }} aria-hidden="true" /> {nameOf(name)}
              </span>
              <input
                type="number"
                name={code}
                aria-label={t.price(nameOf(name))}
                required
                min="0"
                max={PRICE_MAX}
                step="1"
                defaultValue={String(price)}
              />
            </label>
          </li>
        ))}
      </ul>
      <label>
        <span>{t.saveAs}</span>
        <select value={target} onChange={(event) => (site.value = event.currentTarget.value)}>
          {mayCreate.value && <option value="">{t.newSite}</option>}
          {sites.data.value.map(({ id, name }) => (
            <option key={id} value={id}>
              {t.replace(nameOf(name))}
            </option>
          ))}
        </select>
        {target && <small class="soft">{t.replaceHint}</small>}
      </label>
      {saveError.value !== null && (
        <div role="alert">
          <p class="form-error">{sentenceFor(saveError.value, 'plan')}</p>
          <FaultList faults={faultsOf(saveError.value)} />
        </div>
      )}
      <button class="button primary" disabled={saving.value}>
        {t.save}
      </button>
    </form>
  );
}
