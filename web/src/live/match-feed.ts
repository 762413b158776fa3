// The live data of one match, over one stream at a time: the stream of the seats (a snapshot, then
// changes), or that of the waiting room, which costs the server less and is enough for people who wait.

import { fetchSeats, queueEventsUrl, seatEventsUrl } from '../api/endpoints';
import type { MatchNow, SeatMapChanges, SeatMapSnapshot, ServingFrame } from '../api/types';
import { measureClock, onWake } from './clock';
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
  /** Whether the fan waits for their turn, which a hidden tab must announce too. */
  waits: () => boolean;
}

export class MatchFeed {
  private stream: Stream | null = null;
  /** What the fan looks at. */
  private subject: Subject | null = null;
  /** What the open stream is about. */
  private followed: Subject | null = null;
  private readonly stopWake: () => void;
  /** The id of the last event that our seats include. */
  private seatsId = '';
  private position: Position | null = null;
  private health: StreamHealth = 'connecting';
  private hideTimer: number | undefined;

  constructor(
    private readonly match: string,
    private readonly to: FeedHandlers,
  ) {
    this.stopWake = onWake(() => this.onReturn());
    document.addEventListener('visibilitychange', this.onVisibility);
    window.addEventListener('offline', this.onOffline);
  }

  /** Follows the seats or the waiting room from now on. */
  show(subject: Subject): void {
    this.subject = subject;
    if (this.followed === subject) return;
    this.leave();
    if (!document.hidden) this.open(subject);
    else this.hideSoon();
  }

  /** Opens the stream again, because it may have missed events. */
  reopen(): void {
    this.stream?.reopen();
  }

  close(): void {
    this.leave();
    window.clearTimeout(this.hideTimer);
    this.stopWake();
    document.removeEventListener('visibilitychange', this.onVisibility);
    window.removeEventListener('offline', this.onOffline);
  }

  private open(subject: Subject): void {
    this.followed = subject;
    const seats = subject === 'seats';
    const url = seats ? seatEventsUrl(this.match) : queueEventsUrl(this.match);
    this.stream = openStream(url, this.handlers(), seats ? this.seatsId : '');
  }

  private leave(): void {
    this.stream?.close();
    this.stream = null;
    this.followed = null;
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
      onRefused: () => {
        this.to.refused();
        void this.fetchInstead();
      },
    };
  }

  /** The server opens no stream for us. Until it does, the seats come by requests. */
  private async fetchInstead(): Promise<void> {
    if (this.followed !== 'seats') return;
    const seats = await fetchSeats(this.match).catch(() => null);
    // Without an id, because the next stream then begins with a snapshot.
    if (seats && this.followed === 'seats' && this.health !== 'live') this.takeSnapshot(seats, '');
  }

  private say(health: StreamHealth): void {
    // The clock of the device may have been set while the stream was away.
    if (health === 'live' && this.health !== 'live') measureClock().catch(() => undefined);
    this.health = health;
    this.to.health(health);
  }

  private takeSnapshot(data: SeatMapSnapshot, id: string): void {
    // The same id stands for the same seats.
    if (id !== '' && id === this.seatsId) return;
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
    if (document.hidden) this.hideSoon();
  };

  private hideSoon(): void {
    window.clearTimeout(this.hideTimer);
    this.hideTimer = window.setTimeout(() => this.hide(), HIDDEN_PAUSE_MS);
  }

  /** Keeps only what a hidden tab needs. */
  private hide(): void {
    if (this.to.waits()) {
      if (this.followed === 'line') return;
      this.leave();
      this.open('line');
    } else {
      this.leave();
      this.say('paused');
    }
  }

  /** The device may have slept or changed its network, so the stream may be dead. */
  private onReturn(): void {
    if (document.hidden || !this.subject) return;
    if (this.followed === this.subject) {
      this.stream?.reopen();
      return;
    }
    this.leave();
    this.open(this.subject);
  }

  private readonly onOffline = (): void => {
    this.leave();
    this.say('lost');
  };
}
