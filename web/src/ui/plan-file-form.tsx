import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';
import type { PlanForm } from '../api/plans';
import { changed, form, reading, readPlan, takeFile } from '../state/plan-import';
import { text } from '../text';

const FORMS: PlanForm[] = ['csv', 'pretix', 'seatsio'];

export function PlanFileForm() {
  const t = text.value.plans;
  const id = useId();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget as HTMLFormElement);
    const spacing = String(fields.get('spacing'));
    void readPlan(String(fields.get('name')).trim(), spacing ? Number(spacing) : undefined);
  };
  return (
    <form class="card form" onSubmit={submit} aria-labelledby={`${id}-title`}>
      <h2 id={`${id}-title`}>{t.file}</h2>
      <Field label={t.chooseFile} hint={t.fileHint}>
        {(ids) => (
          <input
            {...ids}
            type="file"
            required
            accept=".json,.csv,.tsv,.txt,application/json,text/csv"
            onChange={(event) => void takeFile(event.currentTarget.files?.[0])}
          />
        )}
      </Field>
      <fieldset class="forms">
        <legend>{t.form}</legend>
        {FORMS.map((name) => (
          <label key={name} class="tick">
            <input
              type="radio"
              name="form"
              checked={form.value === name}
              onChange={() => {
                form.value = name;
                changed();
              }}
            />
            {t.forms[name]}
          </label>
        ))}
      </fieldset>
      <div class="plan-pair">
        <Field label={t.name} hint={t.nameHint}>
          {(ids) => <input {...ids} type="text" name="name" maxLength={100} onInput={changed} />}
        </Field>
        <Field label={t.spacing} hint={t.spacingHint}>
          {(ids) => <input {...ids} type="number" name="spacing" min="0.1" max="10" step="any" onInput={changed} />}
        </Field>
      </div>
      <button class="button primary" disabled={reading.value}>
        {t.read}
      </button>
      <p role="status" class="soft plan-status">
        {reading.value && t.reading}
      </p>
    </form>
  );
}

interface FieldProps {
  label: string;
  hint: string;
  children: (ids: { id: string; 'aria-describedby': string }) => ComponentChildren;
}

/** A field with a hint that is no part of its name. */
function Field({ label, hint, children }: FieldProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, 'aria-describedby': `${id}-hint` })}
      <small class="soft" id={`${id}-hint`}>
        {hint}
      </small>
    </div>
  );
}
