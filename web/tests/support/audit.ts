// The page without a mouse: the keyboard, and the rules of accessibility (axe).

import { AxeBuilder } from '@axe-core/playwright';
import { expect, type Locator, type Page } from '@playwright/test';

const BOTH: ('light' | 'dark')[] = ['light', 'dark'];
/** For places made of what others were audited for by night. */
export const BY_DAY: ('light' | 'dark')[] = ['light'];

/** What the rules of WCAG 2.2 AA and the browsers' best practice say, by day and by night. */
export async function audit(page: Page, place: string, themes = BOTH): Promise<void> {
  for (const colorScheme of themes) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await expect(page.locator('html')).toHaveAttribute('data-theme', colorScheme);
    // Colours during the change of the theme belong to neither theme.
    await page.evaluate(async () => {
      await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
      const running = document.getAnimations();
      const ending = running.filter((animation) => animation.effect?.getComputedTiming().endTime !== Infinity);
      await Promise.allSettled(ending.map((animation) => animation.finished));
    });
    const rules = new AxeBuilder({ page })
      // A sample is enough, because hundreds of seats and blocks are alike.
      .exclude('.list-row:nth-child(n+4)')
      .exclude('.list-section:nth-child(n+2)');
    // The dark theme differs only in colours.
    if (colorScheme === 'dark') rules.withRules(['color-contrast']);
    const { violations } = await rules.analyze();
    const found = violations.flatMap((rule) =>
      rule.nodes.map(
        ({ target, any }) =>
          `${place}, ${colorScheme}: ${rule.id} at ${target.join(' ')}: ${any[0]?.message}`,
      ),
    );
    expect(found).toEqual([]);
  }
}

/** Presses Tab until something has the focus; fails when a whole round does not reach it. */
export async function tabTo(page: Page, target: Locator): Promise<void> {
  await expect(target).toBeVisible();
  for (let presses = 0; presses < 150; presses += 1) {
    if (await target.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error('Tab never reaches it');
}
