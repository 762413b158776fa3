// Where the links of mails lead: a new password, or an e-mail that is verified.

import { useEffect } from 'preact/hooks';
import { useSignal } from '@preact/signals';
import { resetPassword, verifyEmail } from '../api/account';
import { renewUser } from '../api/session';
import { sentenceFor, text } from '../text';
import { AccountForm, PasswordField } from './account-form';

export function MailLink({ kind, token }: { kind: 'reset' | 'verify'; token: string }) {
  const t = text.value.account;
  return (
    <div class="page narrow">
      <h1>{kind === 'reset' ? t.newPassword : t.verify}</h1>
      {kind === 'reset' ? <Reset token={token} /> : <Verify token={token} />}
    </div>
  );
}

function Reset({ token }: { token: string }) {
  const t = text.value.account;
  return (
    <AccountForm
      title={t.newPassword}
      action={t.change}
      done={t.resetDone}
      send={(fields) => resetPassword(token, String(fields.get('next')))}
    >
      <PasswordField name="next" label={t.newPassword} isNew />
    </AccountForm>
  );
}

/** It verifies without another click, because the click on the link was one. */
function Verify({ token }: { token: string }) {
  const t = text.value;
  const outcome = useSignal<unknown>(null);
  const isDone = useSignal(false);
  useEffect(() => {
    verifyEmail(token).then(
      () => {
        isDone.value = true;
        renewUser();
      },
      (error) => {
        outcome.value = error;
      },
    );
  }, []);
  const words = isDone.value ? t.account.verified : outcome.value ? sentenceFor(outcome.value) : t.loading;
  return (
    <p class="card" role="status">
      {words}
    </p>
  );
}
