import { logOut, user } from '../api/session';
import { askLogIn } from '../state/log-in';
import { mayImport } from '../state/plan-import';
import { route } from '../state/route';
import { switchTheme, theme } from '../state/settings';
import { switchLanguage, text } from '../text';
import { Icon } from './icon';

export function Header() {
  const t = text.value;
  const here = route.value.name;
  const dark = theme.value === 'dark';
  return (
    <header class="top">
      <a class="brand" href="#/">
        <Icon name="brand" />
        <span>{t.brand}</span>
      </a>
      <nav class="top-nav">
        <a href="#/" aria-current={here === 'matches' || here === 'match' ? 'page' : undefined}>
          {t.nav.matches}
        </a>
        <a href="#/reservations" aria-current={here.startsWith('reserv') ? 'page' : undefined}>
          {t.nav.reservations}
        </a>
        {mayImport.value && (
          <a href="#/import" aria-current={here === 'import' ? 'page' : undefined}>
            {t.nav.plans}
          </a>
        )}
        {user.value && (
          <a href="#/account" aria-current={here === 'account' ? 'page' : undefined}>
            {t.nav.account}
          </a>
        )}
      </nav>
      <div class="top-tools">
        <button class="tool" onClick={switchLanguage} aria-label={t.languageLabel}>
          <span class="wide-only">{t.language}</span>
          <span class="phone-only">{t.languageShort}</span>
        </button>
        <button
          class="tool tool-icon"
          onClick={switchTheme}
          aria-label={dark ? t.theme.toLight : t.theme.toDark}
        >
          <Icon name={dark ? 'sun' : 'moon'} />
        </button>
        {user.value ? (
          <button class="tool tool-log-out" onClick={() => void logOut()} title={user.value.email}>
            {t.logOut}
          </button>
        ) : (
          <button class="tool tool-strong" onClick={() => void askLogIn()}>
            {t.logIn}
          </button>
        )}
      </div>
    </header>
  );
}
