// An EventSource that never gives up, and that knows whether it lives. The browser resumes by itself
// after a cut, but not after an answer such as 503, and it never notices that the other side has gone
// without a word. In both cases this opens a new one from the last id.

export type StreamHealth = 'connecting' | 'live' | 'lost' | 'paused';

export interface StreamHandlers {
  /** By name of the event. */
  events: Record<string, (data: unknown, id: string) => void>;
  onHealth: (health: StreamHealth) => void;
  /** The server has answered with something else than a stream. */
  onRefused: () => void;
}

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 15_000;
/** A stream that says nothing for so long after it was asked for is lost, and goes on to try. */
const PATIENCE_MS = 5000;
/** The server says something every 15 seconds: two of these were missed, and some more time. */
export const SILENCE_MS = 33_000;
/** A server ends streams that are this old on purpose, to share its clients out anew. */
const OLD_MS = 60_000;

export class EventStream {
  private source: EventSource | null = null;
  private failures = 0;
  private openedAt = Infinity;
  private health: StreamHealth = 'connecting';
  private openTimer: number | undefined;
  private patienceTimer: number | undefined;
  private silenceTimer: number | undefined;

  /** Goes on from `lastId`; without one it begins with a snapshot. */
  constructor(
    private readonly url: string,
    private readonly handlers: StreamHandlers,
    private lastId = '',
  ) {
    this.open();
  }

  /** Opens anew: from the last id, or (`fresh`) with a snapshot. */
  reopen(fresh = false): void {
    if (fresh) this.lastId = '';
    this.open();
  }

  close(): void {
    window.clearTimeout(this.openTimer);
    window.clearTimeout(this.patienceTimer);
    window.clearTimeout(this.silenceTimer);
    this.source?.close();
    this.source = null;
  }

  private open(): void {
    this.close();
    // What was lost stays so until something is heard.
    this.say(this.health === 'lost' ? 'lost' : 'connecting');
    const from = this.lastId ? `?lastEventId=${encodeURIComponent(this.lastId)}` : '';
    const source = new EventSource(this.url + from);
    this.source = source;
    this.patienceTimer = window.setTimeout(() => this.say('lost'), PATIENCE_MS);
    this.watchSilence();
    source.onopen = () => {
      this.openedAt = performance.now();
    };
    source.onerror = () => this.failed(source);
    source.addEventListener('heartbeat', () => this.heard());
    for (const [name, handle] of Object.entries(this.handlers.events)) {
      source.addEventListener(name, (event: MessageEvent) => {
        this.lastId = event.lastEventId || this.lastId;
        this.heard();
        handle(JSON.parse(event.data), event.lastEventId);
      });
    }
  }

  private heard(): void {
    this.failures = 0;
    window.clearTimeout(this.patienceTimer);
    this.watchSilence();
    this.say('live');
  }

  private watchSilence(): void {
    window.clearTimeout(this.silenceTimer);
    this.silenceTimer = window.setTimeout(() => {
      this.say('lost');
      this.open();
    }, SILENCE_MS);
  }

  private failed(source: EventSource): void {
    window.clearTimeout(this.patienceTimer);
    const wasOld = performance.now() - this.openedAt > OLD_MS;
    this.openedAt = Infinity;
    if (wasOld) {
      source.close();
      this.say('connecting');
      this.openLater();
      return;
    }
    this.say('lost');
    if (source.readyState !== EventSource.CLOSED) {
      // The browser tries again by itself, and that may hang.
      this.watchSilence();
      return;
    }
    this.handlers.onRefused();
    this.openLater();
  }

  private openLater(): void {
    window.clearTimeout(this.silenceTimer);
    const ceiling = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.failures);
    this.failures += 1;
    // Jitter: a server that comes back must not meet everybody in one instant.
    this.openTimer = window.setTimeout(() => this.open(), ceiling * (0.5 + Math.random() / 2));
  }

  private say(health: StreamHealth): void {
    this.health = health;
    this.handlers.onHealth(health);
  }
}
