import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { askReset } from '../api/account';
import { newKey } from '../api/endpoints';
import { Problem } from '../api/problem';
import { logIn, signUp } from '../api/session';
import { logInAsked } from '../state/log-in';
import { sentenceFor, text } from '../text';
import { CodeField } from './account-form';
import { Icon } from './icon';

export function LogInWindow() {
  const asked = logInAsked.value;
  return asked ? <Window reason={asked.reason} respond={asked.respond} /> : null;
}

function Window({ reason, respond }: { reason: string; respond: (loggedIn: boolean) => void }) {
  const t = text.value;
  const dialog = useRef<HTMLDialogElement>(null);
  const isNew = useSignal(false);
  const busy = useSignal(false);
  const error = useSignal('');
  const mailed = useSignal(false);
  const needsCode = useSignal(false);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => dialog.current?.showModal(), []);

  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    if (busy.value) return;
    const fields = new FormData(event.currentTarget as HTMLFormElement);
    const email = String(fields.get('email')).trim();
    const password = String(fields.get('password'));
    busy.value = true;
    error.value = '';
    try {
      if (isNew.value) await signUp(email, password, newKey());
      else await logIn(email, password, needsCode.value ? String(fields.get('code')) : undefined);
      respond(true);
    } catch (problem) {
      const asksForCode = problem instanceof Problem && problem.code === 'SECOND_FACTOR_REQUIRED';
      error.value = asksForCode && !needsCode.value ? '' : sentenceFor(problem, 'account');
      needsCode.value ||= asksForCode;
      busy.value = false;
    }
  };

  const forgotten = async () => {
    const email = form.current?.elements.namedItem('email') as HTMLInputElement;
    if (!email.reportValidity()) return;
    error.value = '';
    try {
      await askReset(email.value.trim());
      mailed.value = true;
    } catch (problem) {
      error.value = sentenceFor(problem, 'account');
    }
  };

  return (
    <dialog ref={dialog} class="window" aria-labelledby="log-in-title" onClose={() => respond(false)}>
      <form ref={form} onSubmit={submit} class="form">
        <div class="window-head">
          <h2 id="log-in-title">{isNew.value ? t.signUp : t.logIn}</h2>
          <button type="button" class="plain" onClick={() => respond(false)} aria-label={t.close}>
            <Icon name="close" />
          </button>
        </div>
        {reason && <p class="soft">{reason}</p>}
        <label>
          <span>{t.email}</span>
          <input name="email" type="email" autocomplete="username" required autofocus />
        </label>
        <label>
          <span>{t.password}</span>
          <input
            name="password"
            type="password"
            required
            minLength={isNew.value ? 8 : undefined}
            autocomplete={isNew.value ? 'new-password' : 'current-password'}
          />
          {isNew.value && <small class="soft">{t.passwordHint}</small>}
        </label>
        {needsCode.value && !isNew.value && <CodeField autofocus />}
        {mailed.value && <p role="status">{t.account.resetMailed}</p>}
        {error.value && (
          <p class="form-error" role="alert">
            {error.value}
          </p>
        )}
        <button class="button primary" disabled={busy.value}>
          {isNew.value ? t.signUp : t.logIn}
        </button>
        {!isNew.value && (
          <button type="button" class="link" onClick={() => void forgotten()}>
            {t.account.forgotten}
          </button>
        )}
        <button
          type="button"
          class="link"
          onClick={() => {
            isNew.value = !isNew.value;
            error.value = '';
          }}
        >
          {isNew.value ? t.toLogIn : t.toSignUp}
        </button>
      </form>
    </dialog>
  );
}
