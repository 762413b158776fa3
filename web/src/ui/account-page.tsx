// The account of the fan: e-mail, password, log-ins, deletion.

import {
  askVerification,
  changePassword,
  deleteAccount,
  endAllLogIns,
  endLogIn,
  fetchLogIns,
} from '../api/account';
import { logOut, sessionKnown, user } from '../api/session';
import type { LogIn } from '../api/types';
import { askLogIn } from '../state/log-in';
import { tellProblem } from '../state/notices';
import { go } from '../state/route';
import { text } from '../text';
import { matchDay, matchTime } from '../text/format';
import { AccountForm, PasswordField } from './account-form';
import { Failure } from './failure';
import { SecondFactor } from './second-factor';
import { useLoaded } from './use-loaded';

export function AccountPage() {
  const t = text.value.account;
  if (!sessionKnown.value) return <p class="page soft">{text.value.loading}</p>;
  if (!user.value) {
    return (
      <div class="page narrow">
        <h1>{t.title}</h1>
        <div class="card">
          <p>{t.logIn}</p>
          <button class="button primary" onClick={() => void askLogIn()}>
            {text.value.logIn}
          </button>
        </div>
      </div>
    );
  }
  const read = (fields: FormData, name: string) => String(fields.get(name));
  return (
    <div class="page narrow">
      <h1>{t.title}</h1>
      <Email />
      <AccountForm
        title={t.newPassword}
        action={t.change}
        done={t.changed}
        send={(fields) => changePassword(read(fields, 'current'), read(fields, 'next'))}
      >
        <PasswordField name="current" label={t.currentPassword} />
        <PasswordField name="next" label={t.newPassword} isNew />
      </AccountForm>
      <SecondFactor />
      <LogIns />
      <AccountForm
        title={t.deletion}
        action={t.delete}
        done=""
        danger
        send={async (fields) => {
          await deleteAccount(read(fields, 'password'));
          go('#/');
        }}
      >
        <p class="soft">{t.deletionHint}</p>
        <PasswordField name="password" label={text.value.password} />
      </AccountForm>
    </div>
  );
}

function Email() {
  const t = text.value.account;
  const me = user.value;
  if (!me) return null;
  if (me.emailVerified) {
    return (
      <div class="card">
        <p>{me.email}</p>
        <p class="soft">{t.verified}</p>
      </div>
    );
  }
  return (
    <AccountForm title={me.email} action={t.verify} done={t.verificationMailed} send={askVerification}>
      <p class="soft">{t.notVerified}</p>
    </AccountForm>
  );
}

function LogIns() {
  const t = text.value.account;
  const { data, error, reload } = useLoaded(fetchLogIns);
  if (error.value && !data.value) return <Failure error={error.value} retry={reload} />;
  const end = ({ id, current }: LogIn) =>
    void (current ? logOut() : endLogIn(id).then(reload, tellProblem));
  return (
    <section class="card form" aria-labelledby="log-ins">
      <h2 id="log-ins">{t.logIns}</h2>
      <ul class="log-ins">
        {(data.value ?? []).map((session) => (
          <Entry key={session.id} session={session} end={() => end(session)} />
        ))}
      </ul>
      <button class="button" onClick={() => void endAllLogIns().catch(tellProblem)}>
        {t.endAll}
      </button>
    </section>
  );
}

function Entry({ session, end }: { session: LogIn; end: () => void }) {
  const t = text.value.account;
  const used = `${matchDay(session.lastUsedAt)} ${matchTime(session.lastUsedAt)}`;
  const name = deviceOf(session.agent) || t.unknownDevice;
  return (
    <li>
      <div>
        <strong>{name}</strong>
        <p class="soft">
          {t.lastUsed(used)} · {session.address}
          {session.current && ` · ${t.thisDevice}`}
        </p>
      </div>
      <button class="button" onClick={end} aria-label={`${t.end}: ${name}, ${used}`}>
        {t.end}
      </button>
    </li>
  );
}

/** The browser and the system in the long name of a browser. Order matters: most names have several. */
function deviceOf(agent: string): string {
  const first = (words: string[]) => words.find((word) => agent.includes(word)) ?? '';
  const browser = first(['Edg', 'SamsungBrowser', 'Firefox', 'Chrome', 'Safari']).replace('Edg', 'Edge');
  const system = first(['Android', 'iPhone', 'iPad', 'Windows', 'Mac OS', 'Linux']);
  return [browser, system].filter(Boolean).join(' · ') || agent.slice(0, 40);
}
