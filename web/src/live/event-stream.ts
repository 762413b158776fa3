// An EventSource that never gives up and notices when it is dead. An EventSource resumes by itself after
// a cut. But it does not resume after a response such as 503, and it never notices when the other side
// vanishes without closing the connection. In both cases this class opens a new one from the last id.
//
// It is that of a library, because the one of the browser sends no token. The server would count its
// streams for the address, which a mobile carrier shares among thousands of fans.

import { EventSource } from 'eventsource';
import { fetchStream } from '../api/session';

export type StreamHealth = 'connecting' | 'live' | 'lost' | 'paused';

export interface StreamHandlers {
  /** Handlers by name of the event. */
  events: Record<string, (data: unknown, id: string) => void>;
  onHealth: (health: StreamHealth) => void;
  /** The server has refused to open a stream. */
  onRefused: () => void;
}

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 15_000;
/** A stream without an event within this time after its opening is shown as lost. It keeps trying. */
const FIRST_EVENT_TIMEOUT_MS = 5000;
/** The server sends an event at least every 15 seconds: this is two of these intervals and a margin. */
export const SILENCE_TIMEOUT_MS = 33_000;
/** A stream that ends after this time was ended by the server, to distribute its clients again. */
const OLD_AGE_MS = 60_000;

export class EventStream {
  private source: EventSource | null = null;
  private failures = 0;
  private openedAt = Infinity;
  private health: StreamHealth = 'connecting';
  private openTimer: number | undefined;
  private firstEventTimer: number | undefined;
  private silenceTimer: number | undefined;

  /** Continues after `lastId`. Without an id the stream begins with a snapshot. */
  constructor(
    private readonly url: string,
    private readonly handlers: StreamHandlers,
    private lastId = '',
  ) {
    this.open();
  }

  /** Opens the stream again: after the last id, or (`fresh`) with a snapshot. */
  reopen(fresh = false): void {
    if (fresh) this.lastId = '';
    this.open();
  }

  close(): void {
    window.clearTimeout(this.openTimer);
    window.clearTimeout(this.firstEventTimer);
    window.clearTimeout(this.silenceTimer);
    this.source?.close();
    this.source = null;
  }

  private open(): void {
    this.close();
    // A lost stream stays lost until an event arrives.
    this.say(this.health === 'lost' ? 'lost' : 'connecting');
    const from = this.lastId ? `?lastEventId=${encodeURIComponent(this.lastId)}` : '';
    const source = new EventSource(this.url + from, { fetch: fetchStream });
    this.source = source;
    this.firstEventTimer = window.setTimeout(() => this.say('lost'), FIRST_EVENT_TIMEOUT_MS);
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
    window.clearTimeout(this.firstEventTimer);
    this.watchSilence();
    this.say('live');
  }

  private watchSilence(): void {
    window.clearTimeout(this.silenceTimer);
    this.silenceTimer = window.setTimeout(() => {
      this.say('lost');
      this.open();
    }, SILENCE_TIMEOUT_MS);
  }

  private failed(source: EventSource): void {
    window.clearTimeout(this.firstEventTimer);
    const wasOld = performance.now() - this.openedAt > OLD_AGE_MS;
    this.openedAt = Infinity;
    if (wasOld) {
      source.close();
      this.say('connecting');
      this.openLater();
      return;
    }
    this.say('lost');
    if (source.readyState !== EventSource.CLOSED) {
      // It tries again by itself, but that may hang.
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
    // Jitter, because otherwise all clients would return to a restarted server at once.
    this.openTimer = window.setTimeout(() => this.open(), ceiling * (0.5 + Math.random() / 2));
  }

  private say(health: StreamHealth): void {
    this.health = health;
    this.handlers.onHealth(health);
  }
}
