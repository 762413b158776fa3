// An EventSource that never gives up. The browser resumes by itself after a cut, but
// not after an answer such as 503; then this opens a new one from the last id.

export type StreamHealth = 'connecting' | 'live' | 'lost' | 'paused';

export interface StreamHandlers {
  events: Record<string, (data: unknown, id: string) => void>;
  onHealth: (health: StreamHealth) => void;
}

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 15_000;
/** A resumed stream with nothing to catch up on says nothing: then silence means live. */
const SILENCE_IS_LIVE_MS = 1500;
/** A stream that says nothing for so long after it was asked for is lost, and goes on to try. */
const PATIENCE_MS = 5000;
/** A server ends streams that are this old on purpose, to share its clients out anew. */
const OLD_MS = 60_000;

export class EventStream {
  private source: EventSource | null = null;
  private lastId = '';
  private failures = 0;
  private openedAt = Infinity;
  private timer: number | undefined;
  private closed = false;

  constructor(
    private readonly url: string,
    private readonly handlers: StreamHandlers,
  ) {
    this.open();
  }

  /** Opens anew: from the last id, or (`fresh`) with a snapshot. */
  reopen(fresh = false): void {
    if (this.closed) return;
    if (fresh) this.lastId = '';
    this.open();
  }

  /** Lets go of the connection but keeps the place: until `reopen`, nothing is known. */
  leave(as: 'paused' | 'lost'): void {
    this.drop();
    this.handlers.onHealth(as);
  }

  close(): void {
    this.closed = true;
    this.drop();
  }

  private open(): void {
    this.drop();
    this.handlers.onHealth('connecting');
    const from = this.lastId ? `?lastEventId=${encodeURIComponent(this.lastId)}` : '';
    const source = new EventSource(this.url + from);
    this.source = source;
    this.timer = window.setTimeout(() => this.handlers.onHealth('lost'), PATIENCE_MS);
    source.onopen = () => this.opened();
    source.onerror = () => this.failed(source);
    for (const [name, handle] of Object.entries(this.handlers.events)) {
      source.addEventListener(name, (event: MessageEvent) => {
        window.clearTimeout(this.timer);
        this.lastId = event.lastEventId || this.lastId;
        handle(JSON.parse(event.data), event.lastEventId);
        this.handlers.onHealth('live');
      });
    }
  }

  private opened(): void {
    this.failures = 0;
    this.openedAt = performance.now();
    if (!this.lastId) return;
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.handlers.onHealth('live'), SILENCE_IS_LIVE_MS);
  }

  private failed(source: EventSource): void {
    window.clearTimeout(this.timer);
    const wasOld = performance.now() - this.openedAt > OLD_MS;
    this.openedAt = Infinity;
    if (wasOld) {
      source.close();
      this.handlers.onHealth('connecting');
      this.openLater();
      return;
    }
    this.handlers.onHealth('lost');
    if (source.readyState === EventSource.CLOSED) this.openLater();
  }

  private openLater(): void {
    const ceiling = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.failures);
    this.failures += 1;
    // Jitter: a server that comes back must not meet everybody in one instant.
    this.timer = window.setTimeout(() => this.open(), ceiling * (0.5 + Math.random() / 2));
  }

  private drop(): void {
    window.clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }
}
