import { effect } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { user } from '../api/session';
import { notices } from '../state/notices';
import { route } from '../state/route';
import { text } from '../text';
import { AccountPage } from './account-page';
import { Header } from './header';
import { LogInWindow } from './log-in-window';
import { MailLink } from './mail-link';
import { MatchList } from './match-list';
import { MatchPage } from './match-page';
import { Notices } from './notices';
import { PaymentReturn } from './payment-return';
import { PlanPage } from './plan-page';
import { ReservationList } from './reservation-list';
import { ReservationPage } from './reservation-page';

export function App() {
  useEffect(() => effect(onRoute), []);
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        {text.value.skip}
      </a>
      <Header />
      <main id="main" tabIndex={-1}>
        <Place />
      </main>
      <Notices />
      <LogInWindow />
    </>
  );
}

function Place() {
  const here = route.value;
  // What belongs to a user leaves the page with the user.
  const who = user.value?.id ?? '';
  switch (here.name) {
    case 'matches':
      return <MatchList />;
    case 'match':
      return <MatchPage key={here.id} id={here.id} />;
    case 'reservations':
      return <ReservationList />;
    case 'reservation':
      return <ReservationPage key={`${here.id} ${who}`} id={here.id} />;
    case 'account':
      return <AccountPage key={who} />;
    case 'import':
      return <PlanPage />;
    case 'mail':
      return <MailLink key={here.token} kind={here.kind} token={here.token} />;
    case 'payment':
      return <PaymentReturn query={here.query} />;
  }
}

let shown = '';

/** A new place starts at the top, for eyes and for screen readers. */
function onRoute(): void {
  // Another floor is no new place.
  const here = location.hash.replace(/\/floors\/.*/, '');
  void route.value;
  if (shown !== here && shown !== '') {
    notices.value = [];
    document.getElementById('main')?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  shown = here || '#/';
}

/** Jumps without a link, because the hash of the address is our route. */
function skip(event: Event): void {
  event.preventDefault();
  document.getElementById('main')?.focus();
}
