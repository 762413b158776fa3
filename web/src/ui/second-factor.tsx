// The second factor of the account: an app on the phone that makes codes.

import { useSignal } from '@preact/signals';
import { beginSecondFactor, removeSecondFactor, setSecondFactor } from '../api/account';
import { user } from '../api/session';
import type { SecondFactorSetup } from '../api/types';
import { text } from '../text';
import { AccountForm, CodeField, PasswordField } from './account-form';
import { QrCode } from './qr-code';

export function SecondFactor() {
  const t = text.value.account;
  const setup = useSignal<SecondFactorSetup | null>(null);
  const read = (fields: FormData, name: string) => String(fields.get(name));
  if (user.value?.secondFactor) {
    return (
      <AccountForm
        key="off"
        title={t.secondFactor}
        action={t.turnOff}
        done=""
        send={(fields) => removeSecondFactor(read(fields, 'password'), read(fields, 'code'))}
      >
        <p>{t.secondFactorOn}</p>
        <PasswordField name="password" label={text.value.password} />
        <CodeField />
      </AccountForm>
    );
  }
  if (setup.value) {
    const { setup: begun, secret, uri } = setup.value;
    const send = async (fields: FormData) => {
      await setSecondFactor(begun, read(fields, 'code'), read(fields, 'password'));
      setup.value = null;
    };
    return (
      <AccountForm key="set" title={t.secondFactor} action={t.turnOn} done="" send={send}>
        <p>{t.scan}</p>
        <div class="second-factor">
          <QrCode value={uri} label={t.secondFactor} />
          <p>
            {t.key}: <code>{secret.match(/.{1,4}/g)?.join(' ')}</code>
          </p>
        </div>
        <PasswordField name="password" label={text.value.password} />
        <CodeField />
        <button type="button" class="link" onClick={() => (setup.value = null)}>
          {t.cancel}
        </button>
      </AccountForm>
    );
  }
  return (
    <AccountForm
      key="begin"
      title={t.secondFactor}
      action={t.setUp}
      done=""
      send={async (fields) => {
        setup.value = await beginSecondFactor(read(fields, 'password'));
      }}
    >
      <p class="soft">{t.secondFactorOff}</p>
      <PasswordField name="password" label={text.value.password} />
    </AccountForm>
  );
}
