// The part of the plan that the canvas shows: a centre in metres and a scale in pixels per metre.

import type { Bounds } from '../venue/plan-parts';

export interface View {
  x: number;
  y: number;
  scale: number;
}

const LARGEST_SCALE = 92;
/** A name with this many letters is readable at the usual scale. A longer one needs a larger scale. */
const USUAL_LETTERS = 4;
const FLIGHT_MS = 420;

export const reducedMotion = (): boolean =>
  matchMedia('(prefers-reduced-motion: reduce)').matches;

export class Camera {
  x = 0;
  y = 0;
  scale = 1;
  width = 1;
  height = 1;
  private flight: { from: View; to: View; startedAt: number } | null = null;

  constructor(
    private bounds: Bounds,
    /** Letters of the longest name of a seat. */
    private readonly letters: number,
    private readonly onMove: () => void,
  ) {}

  get flying(): boolean {
    return this.flight !== null;
  }

  /** The scale at which the whole plan fits the canvas. */
  get smallestScale(): number {
    const { left, right, top, bottom } = this.bounds;
    return Math.min(this.width / (right - left), this.height / (bottom - top)) * 0.95;
  }

  get largestScale(): number {
    const forNames = LARGEST_SCALE * Math.max(1, this.letters / USUAL_LETTERS);
    return Math.max(forNames, this.smallestScale * 4);
  }

  /** Shows another floor, as a whole. */
  enter(bounds: Bounds): void {
    this.bounds = bounds;
    this.set(this.whole());
  }

  resize(width: number, height: number): void {
    const wasWhole = this.scale <= this.smallestScale * 1.02;
    this.width = Math.max(1, width);
    this.height = Math.max(1, height);
    // A flight continues to its target, even if it has just begun at the whole view.
    if (this.flight) this.onMove();
    else if (wasWhole) this.set(this.whole());
    else this.set(this);
  }

  whole(): View {
    const { left, right, top, bottom } = this.bounds;
    return { x: (left + right) / 2, y: (top + bottom) / 2, scale: this.smallestScale };
  }

  /** The view that fits a part of the plan. */
  fit(part: Bounds): View {
    const scale = Math.min(
      this.width / Math.max(1, part.right - part.left),
      this.height / Math.max(1, part.bottom - part.top),
    );
    return {
      x: (part.left + part.right) / 2,
      y: (part.top + part.bottom) / 2,
      scale: scale * 0.86,
    };
  }

  set(view: View): void {
    this.flight = null;
    this.place(view);
  }

  panBy(pixelsX: number, pixelsY: number): void {
    this.set({
      x: this.x - pixelsX / this.scale,
      y: this.y - pixelsY / this.scale,
      scale: this.scale,
    });
  }

  /** Zooms so that the point under (screenX, screenY) stays where it is. */
  zoomAt(screenX: number, screenY: number, factor: number): void {
    this.set(this.zoomed(screenX, screenY, factor));
  }

  flyZoomAt(screenX: number, screenY: number, factor: number): void {
    this.flyTo(this.zoomed(screenX, screenY, factor));
  }

  flyTo(view: View): void {
    if (reducedMotion()) {
      this.set(view);
      return;
    }
    const from = { x: this.x, y: this.y, scale: this.scale };
    this.flight = { from, to: this.clamped(view), startedAt: performance.now() };
    this.onMove();
  }

  /** Moves a flight forward. The caller draws frames while `flying`. */
  advance(now: number): void {
    if (!this.flight) return;
    const { from, to, startedAt } = this.flight;
    const time = Math.min(1, (now - startedAt) / FLIGHT_MS);
    const eased = 1 - (1 - time) ** 3;
    // The scale changes by ratio, and the centre with it, so that the flight looks straight.
    const scale = from.scale * (to.scale / from.scale) ** eased;
    const shift = Math.abs(to.scale - from.scale) < 1e-6
      ? eased
      : (1 / from.scale - 1 / scale) / (1 / from.scale - 1 / to.scale);
    if (time === 1) this.flight = null;
    this.place({
      x: from.x + (to.x - from.x) * shift,
      y: from.y + (to.y - from.y) * shift,
      scale,
    });
  }

  /** Whether a part of the plan is on the screen, or at most `margin` pixels from it. */
  sees(part: Bounds, margin = 0): boolean {
    const reachX = (this.width / 2 + margin) / this.scale;
    const reachY = (this.height / 2 + margin) / this.scale;
    return (
      part.right > this.x - reachX &&
      part.left < this.x + reachX &&
      part.bottom > this.y - reachY &&
      part.top < this.y + reachY
    );
  }

  toPlan(screenX: number, screenY: number): { x: number; y: number } {
    return {
      x: this.x + (screenX - this.width / 2) / this.scale,
      y: this.y + (screenY - this.height / 2) / this.scale,
    };
  }

  toScreen(x: number, y: number): { x: number; y: number } {
    return {
      x: (x - this.x) * this.scale + this.width / 2,
      y: (y - this.y) * this.scale + this.height / 2,
    };
  }

  private zoomed(screenX: number, screenY: number, factor: number): View {
    const scale = this.clampScale(this.scale * factor);
    const under = this.toPlan(screenX, screenY);
    return {
      x: under.x - (screenX - this.width / 2) / scale,
      y: under.y - (screenY - this.height / 2) / scale,
      scale,
    };
  }

  private place(view: View): void {
    const { x, y, scale } = this.clamped(view);
    this.x = x;
    this.y = y;
    this.scale = scale;
    this.onMove();
  }

  private clampScale(scale: number): number {
    return Math.min(this.largestScale, Math.max(this.smallestScale, scale));
  }

  private clamped(view: View): View {
    const { left, right, top, bottom } = this.bounds;
    const scale = this.clampScale(view.scale);
    // Near the smallest scale the plan is pulled to the middle, so that it cannot leave the screen.
    const slackX = Math.max(0, (right - left) / 2 - (this.width / scale) * 0.25);
    const slackY = Math.max(0, (bottom - top) / 2 - (this.height / scale) * 0.25);
    const middleX = (left + right) / 2;
    const middleY = (top + bottom) / 2;
    return {
      x: Math.min(middleX + slackX, Math.max(middleX - slackX, view.x)),
      y: Math.min(middleY + slackY, Math.max(middleY - slackY, view.y)),
      scale,
    };
  }
}
