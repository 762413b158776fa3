import { expect } from '@playwright/test';
import { line } from './support/cut';
import {
  comeAsNewFan,
  freeSeats,
  live,
  openBlock,
  openBlockNamed,
  openMatch,
  seatName,
  seatNamed,
  test,
} from './support/fan';

test('two fans see each other’s holds', async ({ arrive }) => {
  const [ann, ben] = [await arrive(), await arrive()];
  await comeAsNewFan(ann);
  await openMatch(ann);
  await openMatch(ben);
  const block = await openBlock(ann);
  await openBlockNamed(ben, block);

  const seat = freeSeats(ann).last();
  const name = await seatName(seat);
  await seat.click();
  await ann.getByTestId('hold').click();
  await expect(ann.getByTestId('held')).toContainText(name);
  await expect(seatNamed(ben, name)).toHaveClass(/seat-hold/);

  await ann.getByTestId('give-back').click();
  await expect(seatNamed(ben, name)).toHaveClass(/seat-available/);
});

test('a seat that someone else takes leaves the choice', async ({ arrive }) => {
  const [ann, ben] = [await arrive(), await arrive()];
  await comeAsNewFan(ann);
  await openMatch(ann);
  await openMatch(ben);
  await openBlockNamed(ben, await openBlock(ann));
  const name = await seatName(freeSeats(ann).last());
  await seatNamed(ben, name).click();
  await expect(ben.getByRole('region', { name: 'Your choice' })).toContainText(name);

  await seatNamed(ann, name).click();
  await ann.getByTestId('hold').click();
  await expect(ben.getByRole('region', { name: 'Your choice' })).not.toContainText(name);
  await expect(ben.getByText('taken by someone else')).toBeVisible();
});

test('a cut connection is shown, and the map is right again after it', async ({
  arrive,
  baseURL,
}) => {
  const between = await line(baseURL ?? '');
  const [ann, ben] = [await arrive(between.url), await arrive()];
  await comeAsNewFan(ben);
  await openMatch(ann);
  await openMatch(ben);
  await openBlockNamed(ann, await openBlock(ben));
  const name = await seatName(freeSeats(ben).last());
  await expect(seatNamed(ann, name)).toHaveClass(/seat-available/);

  between.cut();
  await expect(live(ann)).toHaveText('Disconnected');
  await expect(ann.getByRole('alert')).toContainText('as they were last known');
  await seatNamed(ben, name).click();
  await ben.getByTestId('hold').click();
  await expect(ben.getByTestId('held')).toBeVisible();

  between.mend();
  await expect(seatNamed(ann, name)).toHaveClass(/seat-hold/);
  await expect(live(ann)).toHaveText('Live');
  await expect(ann.getByRole('alert')).toBeHidden();
  between.close();
});
