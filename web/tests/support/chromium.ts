import { existsSync } from 'node:fs';

const USUAL = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** The browser for the tests: CHROMIUM, else one in a usual place, else Playwright's own. */
export function chromium(): string | undefined {
  return process.env.CHROMIUM ?? USUAL.find((path) => existsSync(path));
}
