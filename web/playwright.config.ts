// Runs the page in a real browser against a real server (tests/support/server.ts).

import { defineConfig } from '@playwright/test';
import { chromium } from './tests/support/chromium';

export default defineConfig({
  testDir: 'tests',
  testIgnore: process.env.TOOLS ? [] : 'tools/**',
  // Long, for machines that draw in software and compile meanwhile. It costs nothing, because waits end on conditions.
  timeout: 120_000,
  expect: { timeout: 20_000 },
  workers: 1,
  reporter: 'list',
  use: {
    locale: 'en-GB',
    viewport: { width: 1280, height: 800 },
    screenshot: 'only-on-failure',
    launchOptions: {
      executablePath: chromium(),
      args: [
        '--no-sandbox',
        '--disable-dev-shm-usage',
        '--use-gl=angle',
        '--use-angle=swiftshader',
        '--enable-unsafe-swiftshader',
      ],
    },
  },
});
