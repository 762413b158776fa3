// Runs the page against GRANDSTAND_URL, or against the mock when that is not set.

import { defineConfig } from '@playwright/test';
import { chromium } from './tests/support/chromium';

// The workers read this file too, and must find the port of the first reading.
process.env.MOCK_PORT ??= String(20_000 + (process.pid % 20_000));
const mock = `http://127.0.0.1:${process.env.MOCK_PORT}`;

export default defineConfig({
  testDir: 'tests',
  // Long, for machines that draw in software and compile meanwhile; waits end on conditions.
  timeout: 180_000,
  expect: { timeout: 30_000 },
  workers: 1,
  reporter: 'list',
  use: {
    baseURL: process.env.GRANDSTAND_URL ?? mock,
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
  webServer: process.env.GRANDSTAND_URL
    ? undefined
    : {
        command: 'node mock/server.mjs',
        url: `${mock}/api/time`,
        env: { PORT: process.env.MOCK_PORT, QUEUE_AHEAD: '12' },
      },
});
