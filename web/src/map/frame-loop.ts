// Draws frames on demand, so that a map at rest costs nothing.

export class FrameLoop {
  private frame = 0;
  private timer = 0;
  private stopped = false;

  constructor(private readonly drawFrame: (now: number) => void) {}

  /** Requests a frame as soon as possible. */
  request(): void {
    if (this.frame !== 0 || this.stopped) return;
    this.frame = requestAnimationFrame((now) => {
      this.frame = 0;
      this.drawFrame(now);
    });
  }

  /** Requests a frame that may be late. */
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
