import { render } from 'preact';
import { restoreSession } from './api/session';
import { measureClock } from './live/clock';
import './styles/app.css';
import { App } from './ui/app';

void restoreSession();
measureClock().catch(() => undefined);
// A page that comes back from the browser's store has dead streams and spent buttons.
window.addEventListener('pageshow', (event) => {
  if (event.persisted) location.reload();
});
const root = document.getElementById('app');
if (root) render(<App />, root);
