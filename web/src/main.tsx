import { render } from 'preact';
import { restoreSession } from './api/session';
import { measureClock } from './live/clock';
import './styles/app.css';
import { App } from './ui/app';

void restoreSession();
measureClock().catch(() => undefined);
const root = document.getElementById('app');
if (root) render(<App />, root);
