// Frames on demand: a map on which nothing moves costs nothing.

export class FrameLoop {
  private frame = 0;
  private timer = 0;
  private stopped = false;

  constructor(private readonly drawFrame: (now: number) => void) {}

  /** Asks for one frame, as soon as the screen takes it. */
  request(): void {
    if (this.frame !== 0 || this.stopped) return;
    this.frame = requestAnimationFrame((now) => {
      this.frame = 0;
      this.drawFrame(now);
    });
  }

  /** Asks for one frame that may come late. */
  requestWithin(ms: number): void {
    if (this.timer !== 0 || this.stopped) return;
    this.timer = window.setTimeout(() => {
      this.timer = 0;
      this.request();
    }, ms);
  }

  stop(): void {
    this.stopped = true;
    cancelAnimationFrame(this.frame);
    window.clearTimeout(this.timer);
  }
}
