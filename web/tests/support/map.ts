// Points of the map while it shows a whole floor.

import type { Page } from '@playwright/test';

export interface PlanBox {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** Where a point of the plan is on the screen. `bounds`: everything that the floor has. */
export async function spotOf(page: Page, bounds: PlanBox, [x, y]: readonly [number, number]) {
  const map = (await page.getByRole('application').boundingBox())!;
  const { left, top, right, bottom } = bounds;
  const scale = Math.min(map.width / (right - left), map.height / (bottom - top)) * 0.95;
  return {
    x: map.x + map.width / 2 + (x - (left + right) / 2) * scale,
    y: map.y + map.height / 2 + (y - (top + bottom) / 2) * scale,
  };
}
