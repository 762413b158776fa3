// Imports the plan of another program: choose a file, look at the house, save it.

import { useEffect } from 'preact/hooks';
import { sessionKnown, user } from '../api/session';
import type { SiteSummary } from '../api/types';
import { askLogIn } from '../state/log-in';
import { faultsOf, mayImport, result, startAgain } from '../state/plan-import';
import { sentenceFor, text } from '../text';
import { FaultList } from './fault-list';
import { focusWhenShown } from './focus';
import { PlanFileForm } from './plan-file-form';
import { PlanPreview } from './plan-preview';
import { PlanSaveForm } from './plan-save-form';

export function PlanPage() {
  const t = text.value.plans;
  useEffect(() => startAgain, []);
  if (!sessionKnown.value) return <p class="page soft">{text.value.loading}</p>;
  if (!mayImport.value) {
    return (
      <div class="page narrow">
        <h1>{t.title}</h1>
        <div class="card form">
          <p>{user.value ? t.forbidden : t.logIn}</p>
          {!user.value && (
            <button class="button primary" onClick={() => void askLogIn()}>
              {text.value.logIn}
            </button>
          )}
        </div>
      </div>
    );
  }
  return (
    <div class="page plans">
      <div>
        <h1>{t.title}</h1>
        <p class="soft">{t.intro}</p>
      </div>
      {result.value?.kind === 'saved' ? <Saved site={result.value.site} /> : <PlanFileForm />}
      <Outcome />
    </div>
  );
}

function Outcome() {
  const t = text.value.plans;
  const now = result.value;
  switch (now?.kind) {
    case undefined:
    case 'saved':
      return null;
    case 'file':
      return (
        <p class="banner banner-bad" role="alert">
          {t[now.fault]}
        </p>
      );
    case 'refused':
      return (
        <div class="card form" role="alert">
          <p class="form-error">{sentenceFor(now.error, 'plan')}</p>
          <FaultList faults={faultsOf(now.error)} />
        </div>
      );
    case 'faults':
      return (
        <section class="card form" aria-labelledby="plan-faults">
          <h2 id="plan-faults" class="form-error" tabIndex={-1} ref={focusWhenShown}>
            {t.faults(now.faults.length)}
          </h2>
          <p>{t.faultsHint}</p>
          <FaultList faults={now.faults} />
        </section>
      );
    case 'plan':
      return (
        <>
          <PlanPreview plan={now.plan} notes={now.notes} />
          <PlanSaveForm plan={now.plan} />
        </>
      );
  }
}

function Saved({ site }: { site: SiteSummary }) {
  const t = text.value.plans;
  return (
    <section class="card form" aria-labelledby="plan-saved">
      <h2 id="plan-saved" tabIndex={-1} ref={focusWhenShown}>
        {t.saved(site.name, site.seats)}
      </h2>
      <p>
        {t.savedHint} <code data-testid="site-id">{site.id}</code>
      </p>
      <button class="button" onClick={startAgain}>
        {t.another}
      </button>
    </section>
  );
}
