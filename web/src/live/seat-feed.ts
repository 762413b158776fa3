// Keeps the seat states of one match equal to the server's: a snapshot, then changes.

import { seatEventsUrl } from '../api/endpoints';
import type { SeatMapChanges, SeatMapSnapshot } from '../api/types';
import type { SeatStates } from '../venue/seat-states';
import { measureClock } from './clock';
import { EventStream, type StreamHealth } from './event-stream';
import { follows, parsePosition, type Position } from './position';

const HIDDEN_PAUSE_MS = 30_000;
/** A stream that was silent for so long is asked about. */
const PULSE_MS = 20_000;
const PULSE_ANSWER_MS = 5000;

export class SeatFeed {
  private readonly stream: EventStream;
  private position: Position | null = null;
  private hideTimer: number | undefined;
  private readonly pulse: number;
  private paused = false;
  private heardAt = 0;

  constructor(
    match: string,
    private readonly states: SeatStates,
    onHealth: (health: StreamHealth) => void,
  ) {
    this.stream = new EventStream(seatEventsUrl(match), {
      events: {
        snapshot: (data, id) => this.takeSnapshot(data as SeatMapSnapshot, id),
        changes: (data, id) => this.takeChanges(data as SeatMapChanges, id),
      },
      onHealth,
    });
    this.pulse = window.setInterval(() => this.feelPulse(), PULSE_MS);
    document.addEventListener('visibilitychange', this.onVisibility);
    window.addEventListener('online', this.onOnline);
    window.addEventListener('offline', this.onOffline);
  }

  close(): void {
    this.stream.close();
    window.clearInterval(this.pulse);
    window.clearTimeout(this.hideTimer);
    document.removeEventListener('visibilitychange', this.onVisibility);
    window.removeEventListener('online', this.onOnline);
    window.removeEventListener('offline', this.onOffline);
  }

  private takeSnapshot(data: SeatMapSnapshot, id: string): void {
    this.heardAt = performance.now();
    this.position = parsePosition(id);
    this.states.applySnapshot(data.blocks);
  }

  private takeChanges(data: SeatMapChanges, id: string): void {
    this.heardAt = performance.now();
    const next = parsePosition(id);
    if (next && this.position && !follows(next, this.position)) {
      // Another epoch or a step back without a snapshot: what we show can't be trusted.
      this.stream.reopen(true);
      return;
    }
    this.position = next ?? this.position;
    this.states.applyChanges(data.changes);
  }

  /** Tabs share few connections on HTTP/1.1, so one that stays hidden lets go of its own. */
  private readonly onVisibility = (): void => {
    window.clearTimeout(this.hideTimer);
    if (document.hidden) {
      this.hideTimer = window.setTimeout(() => {
        this.paused = true;
        this.stream.leave('paused');
      }, HIDDEN_PAUSE_MS);
    } else if (this.paused) {
      this.paused = false;
      this.stream.reopen();
    }
  };

  private readonly onOnline = (): void => this.stream.reopen();
  private readonly onOffline = (): void => this.stream.leave('lost');

  /** Heartbeats are invisible to a page; a dead network shows in a failed request instead. */
  private feelPulse(): void {
    if (this.paused || performance.now() - this.heardAt < PULSE_MS) return;
    measureClock(AbortSignal.timeout(PULSE_ANSWER_MS)).catch(() => this.stream.reopen());
  }
}
