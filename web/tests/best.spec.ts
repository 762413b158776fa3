// The search for the best seats in an area of the house.

import { expect } from '@playwright/test';
import { smallMatch } from './support/backstage';
import { comeAsNewFan, live, test } from './support/fan';
import { hallMatch } from './support/hall';

test('the best seats are searched in an area, and its sections are the only ones to choose', async ({ arrive, server }) => {
  const match = await hallMatch(server.url, 'Area Town');
  const page = await arrive(`/#/matches/${match}`);
  await expect(live(page)).toHaveText('Live');
  await comeAsNewFan(page);
  const area = page.getByLabel('Area', { exact: true });
  const section = page.getByLabel('Section', { exact: true });
  await expect(area.locator('option')).toHaveText(['Any area', 'House', 'Floor', 'Balcony']);
  await section.selectOption({ label: 'Front' });
  await area.selectOption({ label: 'Balcony' });
  // The section of the other area would have no seats.
  await expect(section).toHaveValue('');
  await expect(section.locator('option')).toHaveText(['Any section', 'Upper']);
  const asked = page.waitForRequest('**/holds');
  await page.getByTestId('best').click();
  expect((await asked).postDataJSON()).toEqual({ bestAvailable: { count: 2, adjacent: true, areaId: 3 } });
  await expect(page.getByTestId('held').locator('.lines li')).toHaveText([/Balcony Upper B/, /Balcony Upper B/]);
});

test('in an area without seats the search holds places', async ({ arrive, server }) => {
  const match = await hallMatch(server.url, 'Standing Town');
  const page = await arrive(`/#/matches/${match}`);
  await expect(live(page)).toHaveText('Live');
  await comeAsNewFan(page);
  await page.getByLabel('Area', { exact: true }).selectOption({ label: 'Floor' });
  await page.getByTestId('best').click();
  await expect(page.getByTestId('held').locator('.lines li')).toHaveText([/Floor Dance floor × 2/]);
});

test('a house with a single area has no choice of areas', async ({ arrive, server }) => {
  const match = await smallMatch(server.url, 'Single Town', 4);
  const page = await arrive(`/#/matches/${match}`);
  await expect(page.getByLabel('Section', { exact: true })).toBeVisible();
  await expect(page.getByLabel('Area', { exact: true })).toHaveCount(0);
});
