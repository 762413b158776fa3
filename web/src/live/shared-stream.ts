// One stream for all tabs of a browser that watch the same match, because over HTTP/1.1 a browser has
// only six connections to a server. The tab that has the lock keeps the stream and sends its events to
// the others. When it closes, is hidden or falls silent, another tab takes over. Without locks (a page
// without TLS has none) each tab has its own stream.

import { EventStream, SILENCE_TIMEOUT_MS, type StreamHandlers, type StreamHealth } from './event-stream';

export interface Stream {
  /** Opens the stream again: after the last id, or (`fresh`) with a snapshot. */
  reopen: (fresh?: boolean) => void;
  close: () => void;
}

export function openStream(url: string, handlers: StreamHandlers, lastId: string): Stream {
  const canShare = 'locks' in navigator && 'BroadcastChannel' in window;
  return canShare ? new SharedStream(url, handlers, lastId) : new EventStream(url, handlers, lastId);
}

type Message =
  | { kind: 'event'; name: string; data: unknown; id: string }
  | { kind: 'health'; health: StreamHealth }
  | { kind: 'refused' }
  /** A tab asks the tab with the stream to open it again. */
  | { kind: 'reopen'; fresh: boolean };

/** A tab with the stream replies to another tab within this time. */
const REPLY_TIMEOUT_MS = 5000;
/** A tab with a dead stream notices that and says so before this time, so a silent tab is dead itself. */
const TAB_TIMEOUT_MS = SILENCE_TIMEOUT_MS + 12_000;

class SharedStream implements Stream {
  private readonly channel: BroadcastChannel;
  /** The stream, if this tab has it. */
  private own: EventStream | null = null;
  private turn: AbortController | null = null;
  private release: () => void = () => undefined;
  private silenceTimer: number | undefined;
  private closed = false;

  constructor(
    private readonly url: string,
    private readonly handlers: StreamHandlers,
    private lastId: string,
  ) {
    this.channel = new BroadcastChannel(url);
    this.channel.onmessage = (message) => this.take(message.data as Message);
    this.handlers.onHealth('connecting');
    this.queueUp();
    // If another tab has the stream, only a snapshot gives us everything that it has received.
    this.ask(true);
  }

  reopen(fresh = false): void {
    if (this.own) {
      this.own.reopen(fresh);
    } else {
      this.handlers.onHealth('connecting');
      this.ask(fresh);
    }
  }

  close(): void {
    this.closed = true;
    this.turn?.abort();
    this.stop();
    this.channel.close();
    window.clearTimeout(this.silenceTimer);
  }

  /** Waits for the lock, or (`steal`) takes it from a silent tab. */
  private queueUp(steal = false): void {
    this.turn?.abort();
    const turn = new AbortController();
    this.turn = turn;
    const options: LockOptions = steal ? { steal } : { signal: turn.signal };
    navigator.locks
      .request(`stream:${this.url}`, options, () => (this.closed ? undefined : this.lead()))
      .catch(() => {
        // Another tab took the lock because this one was silent. From now on this tab listens to it.
        const taken = this.turn === turn && !this.closed;
        if (!taken) return;
        this.stop();
        this.queueUp();
        this.ask(true);
      });
  }

  /** Keeps the stream until it is released. */
  private lead(): Promise<void> {
    window.clearTimeout(this.silenceTimer);
    const events = Object.keys(this.handlers.events).map((name) => [
      name,
      (data: unknown, id: string) => this.share({ kind: 'event', name, data, id }),
    ]);
    this.own = new EventStream(
      this.url,
      {
        events: Object.fromEntries(events),
        // Heartbeats and attempts to connect are shared too, so only a dead tab is silent.
        onHealth: (health) => this.share({ kind: 'health', health }),
        onRefused: () => this.share({ kind: 'refused' }),
      },
      this.lastId,
    );
    return new Promise((resolve) => {
      this.release = resolve;
    });
  }

  private stop(): void {
    this.own?.close();
    this.own = null;
    this.release();
  }

  private share(message: Message): void {
    if (this.closed) return;
    this.channel.postMessage(message);
    this.hear(message);
  }

  private ask(fresh: boolean): void {
    this.channel.postMessage({ kind: 'reopen', fresh } satisfies Message);
    this.expect(REPLY_TIMEOUT_MS);
  }

  private take(message: Message): void {
    if (message.kind === 'reopen') {
      this.own?.reopen(message.fresh);
    } else if (!this.own) {
      this.expect(TAB_TIMEOUT_MS);
      this.hear(message);
    }
  }

  private hear(message: Message): void {
    switch (message.kind) {
      case 'event':
        this.lastId = message.id || this.lastId;
        this.handlers.events[message.name]?.(message.data, message.id);
        break;
      case 'health':
        this.handlers.onHealth(message.health);
        break;
      case 'refused':
        this.handlers.onRefused();
        break;
      case 'reopen':
        break;
    }
  }

  /** If the other tab sends nothing within this time, this tab takes the stream. */
  private expect(withinMs: number): void {
    window.clearTimeout(this.silenceTimer);
    if (this.own) return;
    this.silenceTimer = window.setTimeout(() => {
      this.handlers.onHealth('lost');
      this.queueUp(true);
    }, withinMs);
  }
}
