// Turns pointer, wheel and keyboard events on the canvas into camera moves and taps.

import type { Camera } from './camera';

export interface GestureHandlers {
  onTap: (x: number, y: number, touch: boolean) => void;
  onZoom: (factor: number) => void;
  onDoubleTap: (x: number, y: number) => void;
  onHover: (x: number, y: number) => void;
  onLeave: () => void;
}

interface Finger {
  x: number;
  y: number;
}

const TAP_SLOP_PIXELS = 8;
const DOUBLE_TAP_MS = 320;
const KEY_STEP_PIXELS = 80;
const KEY_ZOOM = 1.6;

export class Gestures {
  private readonly fingers = new Map<number, Finger>();
  private readonly abort = new AbortController();
  private travelled = 0;
  private lastTap = { at: -Infinity, x: 0, y: 0 };

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly camera: Camera,
    private readonly handlers: GestureHandlers,
  ) {
    const options = { signal: this.abort.signal };
    canvas.addEventListener('pointerdown', this.onDown, options);
    canvas.addEventListener('pointermove', this.onMove, options);
    canvas.addEventListener('pointerup', this.onUp, options);
    canvas.addEventListener('pointercancel', this.onCancel, options);
    canvas.addEventListener('pointerleave', () => handlers.onLeave(), options);
    canvas.addEventListener('wheel', this.onWheel, { ...options, passive: false });
    canvas.addEventListener('keydown', this.onKey, options);
  }

  destroy(): void {
    this.abort.abort();
  }

  private at(event: MouseEvent): Finger {
    const box = this.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  private readonly onDown = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, this.at(event));
    if (this.fingers.size === 1) this.travelled = 0;
  };

  private readonly onMove = (event: PointerEvent): void => {
    const now = this.at(event);
    const before = this.fingers.get(event.pointerId);
    if (!before) {
      this.handlers.onHover(now.x, now.y);
      return;
    }
    this.travelled += Math.hypot(now.x - before.x, now.y - before.y);
    if (this.fingers.size === 1) {
      if (this.travelled > TAP_SLOP_PIXELS) {
        this.camera.panBy(now.x - before.x, now.y - before.y);
        this.handlers.onLeave();
      } else {
        // A short move may still become a tap. The start is kept, so that a pan loses nothing.
        return;
      }
    } else if (this.fingers.size === 2) {
      this.pinch(event.pointerId, before, now);
    }
    this.fingers.set(event.pointerId, now);
  };

  private pinch(id: number, before: Finger, now: Finger): void {
    const other = [...this.fingers].find(([key]) => key !== id)?.[1];
    if (!other) return;
    const factor = spread(now, other) / Math.max(1, spread(before, other));
    const middleX = (now.x + other.x) / 2;
    const middleY = (now.y + other.y) / 2;
    this.camera.panBy((now.x - before.x) / 2, (now.y - before.y) / 2);
    this.camera.zoomAt(middleX, middleY, factor);
    this.travelled = Infinity;
  }

  private readonly onUp = (event: PointerEvent): void => {
    const wasDown = this.fingers.delete(event.pointerId);
    if (!wasDown || this.fingers.size > 0 || this.travelled > TAP_SLOP_PIXELS) return;
    const { x, y } = this.at(event);
    const soon = event.timeStamp - this.lastTap.at < DOUBLE_TAP_MS;
    const near = Math.hypot(x - this.lastTap.x, y - this.lastTap.y) < TAP_SLOP_PIXELS * 3;
    if (soon && near) {
      this.lastTap.at = -Infinity;
      this.handlers.onDoubleTap(x, y);
    } else {
      this.lastTap = { at: event.timeStamp, x, y };
      this.handlers.onTap(x, y, event.pointerType === 'touch');
    }
  };

  private readonly onCancel = (event: PointerEvent): void => {
    this.fingers.delete(event.pointerId);
  };

  private readonly onWheel = (event: WheelEvent): void => {
    event.preventDefault();
    const { x, y } = this.at(event);
    // A pinch on a trackpad arrives as a wheel event with the control key, in much finer steps.
    const speed = event.ctrlKey ? 0.012 : 0.0018;
    const pixels = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? event.deltaY * 30 : event.deltaY;
    this.camera.zoomAt(x, y, Math.exp(-Math.max(-300, Math.min(300, pixels)) * speed));
  };

  private readonly onKey = (event: KeyboardEvent): void => {
    const middleX = this.camera.width / 2;
    const middleY = this.camera.height / 2;
    const moves: Record<string, () => void> = {
      ArrowLeft: () => this.camera.panBy(KEY_STEP_PIXELS, 0),
      ArrowRight: () => this.camera.panBy(-KEY_STEP_PIXELS, 0),
      ArrowUp: () => this.camera.panBy(0, KEY_STEP_PIXELS),
      ArrowDown: () => this.camera.panBy(0, -KEY_STEP_PIXELS),
      '+': () => this.handlers.onZoom(KEY_ZOOM),
      '=': () => this.handlers.onZoom(KEY_ZOOM),
      '-': () => this.handlers.onZoom(1 / KEY_ZOOM),
      '0': () => this.camera.flyTo(this.camera.whole()),
      Enter: () => this.handlers.onTap(middleX, middleY, false),
    };
    const move = moves[event.key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move();
  };
}

const spread = (a: Finger, b: Finger): number => Math.hypot(a.x - b.x, a.y - b.y);
