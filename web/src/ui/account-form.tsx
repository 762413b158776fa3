// A form about the account: it shows what went wrong, and says when it is done.

import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Problem } from '../api/problem';
import { sentenceFor, text } from '../text';

interface Props {
  title: string;
  action: string;
  done: string;
  danger?: boolean;
  children?: ComponentChildren;
  send: (fields: FormData) => Promise<void>;
}

export function AccountForm({ title, action, done, danger, children, send }: Props) {
  const busy = useSignal(false);
  const isDone = useSignal(false);
  const error = useSignal('');
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    if (busy.value) return;
    busy.value = true;
    isDone.value = false;
    error.value = '';
    try {
      await send(new FormData(form));
      form.reset();
      isDone.value = true;
    } catch (problem) {
      error.value = sentence(problem);
    } finally {
      busy.value = false;
    }
  };
  return (
    <form class="card form" onSubmit={submit} aria-label={title}>
      <h2>{title}</h2>
      {children}
      {error.value && (
        <p class="form-error" role="alert">
          {error.value}
        </p>
      )}
      {isDone.value && <p role="status">{done}</p>}
      <button class={`button ${danger ? 'danger' : 'primary'}`} disabled={busy.value}>
        {action}
      </button>
    </form>
  );
}

/** The field for a code of the second factor. */
export function CodeField({ autofocus }: { autofocus?: boolean }) {
  const t = text.value.account;
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (autofocus) input.current?.focus();
  }, []);
  return (
    <label>
      <span>{t.code}</span>
      <input
        ref={input}
        name="code"
        type="text"
        required
        pattern="[0-9]{6}"
        maxLength={6}
        inputMode="numeric"
        autocomplete="one-time-code"
        title={t.codeHint}
      />
      <small class="soft">{t.codeHint}</small>
    </label>
  );
}

/** Only a new password can have a wrong field in these forms. */
function sentence(problem: unknown): string {
  const isWrongField = problem instanceof Problem && problem.code === 'VALIDATION';
  return isWrongField ? text.value.account.badPassword : sentenceFor(problem);
}

interface FieldProps {
  name: string;
  label: string;
  isNew?: boolean;
}

export function PasswordField({ name, label, isNew }: FieldProps) {
  return (
    <label>
      <span>{label}</span>
      <input
        name={name}
        type="password"
        required
        minLength={isNew ? 8 : undefined}
        autocomplete={isNew ? 'new-password' : 'current-password'}
      />
      {isNew && <small class="soft">{text.value.passwordHint}</small>}
    </label>
  );
}
