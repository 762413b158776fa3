// The account of a fan: one session for all tabs, log-ins, a new password, deletion.

import { createHmac } from 'node:crypto';
import { expect } from '@playwright/test';
import { PASSWORD, Person } from './support/backstage';
import { comeAsNewFan, test } from './support/fan';

test('no script can read the session, and all tabs share it', async ({ arrive }) => {
  const page = await arrive('/');
  await comeAsNewFan(page);
  const stored = await page.evaluate(() =>
    JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie]),
  );
  const cookies = await page.context().cookies();
  expect(cookies).toHaveLength(1);
  expect(cookies[0]).toMatchObject({
    name: '__Host-grandstand',
    httpOnly: true,
    secure: true,
    sameSite: 'Strict',
    path: '/',
  });
  expect(stored).not.toContain(cookies[0].value);

  const second = await page.context().newPage();
  await second.goto(page.url());
  await expect(second.getByRole('button', { name: 'Log out' })).toBeVisible();
  await page.getByRole('button', { name: 'Log out' }).click();
  await expect(second.getByRole('banner').getByRole('button', { name: 'Log in' })).toBeVisible();
  expect(await page.context().cookies()).toHaveLength(0);
});

test('a renewal whose response is lost logs nobody out', async ({ arrive }) => {
  const page = await arrive('/');
  await comeAsNewFan(page);
  const cookies = await page.context().cookies();
  let renewals = 0;
  await page.route('**/api/users/refresh', async (route) => {
    renewals += 1;
    if (renewals > 1) return route.fallback();
    await route.fetch();
    // The response is lost, and the browser still has the token that was used.
    await page.context().addCookies(cookies);
  });
  await page.reload();
  await expect(page.getByRole('button', { name: 'Log out' })).toBeVisible({ timeout: 15_000 });
  expect(renewals).toBe(2);
});

test('a new password logs all other devices out', async ({ arrive, server }) => {
  const page = await arrive('/');
  const email = await comeAsNewFan(page);
  const other = await Person.logIn(server.url, { email, password: PASSWORD });
  await page.getByRole('link', { name: 'Account' }).click();
  await expect(page.getByRole('listitem').filter({ hasText: 'Last used' })).toHaveCount(2);
  const form = page.getByRole('form', { name: 'New password' });
  const change = async (next: string) => {
    await form.getByLabel('Current password').fill(PASSWORD);
    await form.getByLabel('New password').last().fill(next);
    await page.keyboard.press('Enter');
  };
  await change('password1');
  await expect(form.getByRole('alert')).toContainText('not a common one');
  await change('another long password');
  await expect(form.getByRole('status')).toContainText('All other devices are logged out');
  await expect(other.call('GET', '/api/users/me')).rejects.toThrow('UNAUTHORIZED');
  await page.reload();
  await expect(page.getByRole('listitem').filter({ hasText: 'Last used' })).toHaveCount(1);
});

test('a deleted account is gone', async ({ arrive }) => {
  const page = await arrive('/');
  const email = await comeAsNewFan(page);
  await page.getByRole('link', { name: 'Account' }).click();
  const form = page.getByRole('form', { name: 'Delete the account' });
  await form.getByLabel('Password').fill('not this one');
  await form.getByRole('button', { name: 'Delete my account' }).click();
  await expect(form.getByRole('alert')).toHaveText('The password is wrong.');
  await form.getByLabel('Password').fill(PASSWORD);
  await form.getByRole('button', { name: 'Delete my account' }).click();
  // For a moment, the page of the account has such a button too.
  await page.getByRole('banner').getByRole('button', { name: 'Log in' }).click();
  await page.getByLabel('E-mail').fill(email);
  await page.getByRole('dialog').getByLabel('Password').fill(PASSWORD);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('alert')).toHaveText('The e-mail or the password is wrong.');
});

test('an app on the phone makes a stolen password useless', async ({ arrive }) => {
  const page = await arrive('/');
  const email = await comeAsNewFan(page);
  await page.getByRole('link', { name: 'Account' }).click();
  const form = page.getByRole('form', { name: 'Authenticator app' });
  await form.getByLabel('Password').fill(PASSWORD);
  await form.getByRole('button', { name: 'Set up an app' }).click();
  const key = (await form.locator('code').textContent())!.replaceAll(' ', '');
  await expect(form.getByRole('img', { name: 'Authenticator app' })).toBeVisible();
  await form.getByLabel('Password').fill(PASSWORD);
  await form.getByLabel('Code of your').fill('000000');
  await form.getByRole('button', { name: 'Turn on' }).click();
  await expect(form.getByRole('alert')).toContainText('The code is wrong');
  await form.getByLabel('Code of your').fill(codeOf(key, 0));
  await form.getByRole('button', { name: 'Turn on' }).click();
  await expect(form).toContainText('A log-in needs a code of your app.');

  await page.getByRole('button', { name: 'Log out', exact: true }).click();
  await page.getByRole('button', { name: 'Log in' }).first().click();
  const window = page.getByRole('dialog');
  await window.getByLabel('E-mail').fill(email);
  await window.getByLabel('Password').fill(PASSWORD);
  await expect(window.getByLabel('Code of your')).toHaveCount(0);
  await page.keyboard.press('Enter');
  await expect(window.getByLabel('Code of your')).toBeFocused();
  await window.getByLabel('Code of your').fill(codeOf(key, 1));
  await page.keyboard.press('Enter');
  await expect(page.getByRole('button', { name: 'Log out', exact: true })).toBeVisible();
});

/** The code of an app this many steps of 30 s from now (RFC 6238). */
function codeOf(key: string, steps: number): string {
  const bits = [...key]
    .map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0'))
    .join('');
  const secret = Buffer.from(bits.match(/.{8}/g)!.map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const hash = createHmac('sha1', secret).update(counter).digest();
  const number = hash.readUInt32BE(hash[19] & 15) & 0x7fff_ffff;
  return String(number % 1_000_000).padStart(6, '0');
}
