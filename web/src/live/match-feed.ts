// The live data of one match, over one stream at a time: the stream of the seats (a snapshot, then
// changes), or that of the waiting room, which costs the server less and is enough for people who wait.

import { queueEventsUrl, seatEventsUrl } from '../api/endpoints';
import type { MatchNow, SeatMapChanges, SeatMapSnapshot, ServingFrame } from '../api/types';
import { measureClock } from './clock';
import type { StreamHandlers, StreamHealth } from './event-stream';
import { follows, parsePosition, type Position } from './position';
import { openStream, type Stream } from './shared-stream';

/** A tab that is hidden for this time closes its stream, so that other tabs can use the connection. */
const HIDDEN_PAUSE_MS = 3000;

export type Subject = 'seats' | 'line';

export interface FeedHandlers {
  snapshot: (blocks: SeatMapSnapshot['blocks']) => void;
  changes: (changes: SeatMapChanges['changes']) => void;
  match: (now: MatchNow) => void;
  serving: (line: ServingFrame) => void;
  health: (health: StreamHealth) => void;
  refused: () => void;
}

export class MatchFeed {
  private stream: Stream | null = null;
  private subject: Subject | null = null;
  /** The id of the last event that our seats include. */
  private seatsId = '';
  private position: Position | null = null;
  private health: StreamHealth = 'connecting';
  private hideTimer: number | undefined;

  constructor(
    private readonly match: string,
    private readonly to: FeedHandlers,
  ) {
    document.addEventListener('visibilitychange', this.onVisibility);
    window.addEventListener('pageshow', this.onReturn);
    window.addEventListener('online', this.onReturn);
    window.addEventListener('offline', this.onOffline);
  }

  /** Follows the seats or the waiting room from now on. */
  show(subject: Subject): void {
    if (this.subject === subject) return;
    this.subject = subject;
    this.leave();
    if (!document.hidden) this.open();
  }

  /** Opens the stream again, because it may have missed events. */
  reopen(): void {
    this.stream?.reopen();
  }

  close(): void {
    this.leave();
    window.clearTimeout(this.hideTimer);
    document.removeEventListener('visibilitychange', this.onVisibility);
    window.removeEventListener('pageshow', this.onReturn);
    window.removeEventListener('online', this.onReturn);
    window.removeEventListener('offline', this.onOffline);
  }

  private open(): void {
    const seats = this.subject === 'seats';
    const url = seats ? seatEventsUrl(this.match) : queueEventsUrl(this.match);
    this.stream = openStream(url, this.handlers(), seats ? this.seatsId : '');
  }

  private leave(): void {
    this.stream?.close();
    this.stream = null;
  }

  private handlers(): StreamHandlers {
    return {
      events: {
        snapshot: (data, id) => this.takeSnapshot(data as SeatMapSnapshot, id),
        changes: (data, id) => this.takeChanges(data as SeatMapChanges, id),
        match: (data) => this.to.match(data as MatchNow),
        serving: (data) => this.to.serving(data as ServingFrame),
      },
      onHealth: (health) => this.say(health),
      onRefused: () => this.to.refused(),
    };
  }

  private say(health: StreamHealth): void {
    // The clock of the device may have been set while the stream was away.
    if (health === 'live' && this.health !== 'live') measureClock().catch(() => undefined);
    this.health = health;
    this.to.health(health);
  }

  private takeSnapshot(data: SeatMapSnapshot, id: string): void {
    this.moveTo(id);
    this.to.snapshot(data.blocks);
  }

  private takeChanges(data: SeatMapChanges, id: string): void {
    const next = parsePosition(id);
    if (next && this.position && !follows(next, this.position)) {
      // After another epoch or a step back without a snapshot, our seats may be wrong.
      this.stream?.reopen(true);
      return;
    }
    this.moveTo(id);
    this.to.changes(data.changes);
  }

  private moveTo(id: string): void {
    this.seatsId = id;
    this.position = parsePosition(id) ?? this.position;
  }

  private readonly onVisibility = (): void => {
    window.clearTimeout(this.hideTimer);
    if (!document.hidden) {
      this.onReturn();
      return;
    }
    this.hideTimer = window.setTimeout(() => {
      this.leave();
      this.say('paused');
    }, HIDDEN_PAUSE_MS);
  };

  /** The device may have slept or changed its network, so the stream may be dead. */
  private readonly onReturn = (): void => {
    if (document.hidden || !this.subject) return;
    if (this.stream) this.stream.reopen();
    else this.open();
  };

  private readonly onOffline = (): void => {
    this.leave();
    this.say('lost');
  };
}
