import { render } from 'preact';
import { restoreSession } from './api/session';
import { measureClock } from './live/clock';
import './styles/app.css';
import { App } from './ui/app';

void restoreSession();
measureClock().catch(() => undefined);
// A page from the browser's back/forward cache has dead streams and disabled buttons.
window.addEventListener('pageshow', (event) => {
  if (event.persisted) location.reload();
});
const root = document.getElementById('app');
if (root) render(<App />, root);
