import { user } from '../api/session';
import type { Match, WaitEstimate } from '../api/types';
import { secondTick, serverNow } from '../live/clock';
import { health, serving } from '../state/match';
import { ahead, estimate, join, joining, leave, place, settings } from '../state/queue';
import { text } from '../text';
import { matchDay, matchTime, nameOf } from '../text/format';
import { Lost } from './lost';
import { QueueLine } from './queue-line';

const LONGEST_SHOWN_MINUTES = 60;

export function WaitingRoom({ match, onLook }: { match: Match; onLook: () => void }) {
  const t = text.value;
  const mine = place.value;
  const now = serving.value;
  const waits = mine !== null && user.value !== null;
  return (
    <div class="page room">
      <div class="card room-card">
        <p class="badge badge-queue">{t.queue.title}</p>
        <h1>
          {match.homeTeam} <span class="versus">vs</span> {match.awayTeam}
        </h1>
        <p class="soft">
          {matchDay(match.startsAt)} {matchTime(match.startsAt)} · {nameOf(match.stadium)}
        </p>
        {health.value === 'lost' && <Lost />}
        {now?.soldOut && (
          <p class="banner banner-bad" role="status">
            {t.queue.soldOut}
          </p>
        )}
        {waits ? <Place /> : <p>{t.queue.intro}</p>}
        {/* Keeps its space while empty, so that the button below does not move under a finger. */}
        <p class="soft room-facts">
          <span>{now ? t.queue.waiting(now.waiting) : '\u00a0'}</span>
          {now && now.admittedPerMinute !== null && <span>{t.queue.rate(now.admittedPerMinute)}</span>}
        </p>
        <NotYet />
        <div class="room-actions">
          {!waits && (
            <button
              class="button primary"
              data-testid="join"
              disabled={joining.value}
              onClick={() => void join(match.id)}
            >
              {t.queue.join}
            </button>
          )}
          <button class="button" onClick={onLook}>
            {t.queue.look}
          </button>
          {waits && (
            <button class="link" onClick={() => confirm(t.queue.leaveSure) && void leave(match.id)}>
              {t.queue.leave}
            </button>
          )}
        </div>
        {waits && <p class="soft">{t.queue.keepOpen}</p>}
      </div>
    </div>
  );
}

/** Why nobody is admitted: the sale is not open yet, or the organiser has paused. */
function NotYet() {
  const t = text.value.queue;
  const queue = settings.value;
  // Updates every second, because the sale opens while people watch.
  void secondTick.value;
  if (queue?.paused) return <p class="banner">{t.paused}</p>;
  if (!queue?.opensAt || Date.parse(queue.opensAt) <= serverNow()) return null;
  return (
    <>
      <p class="banner">{t.opensAt(`${matchDay(queue.opensAt)} ${matchTime(queue.opensAt)}`)}</p>
      {queue.randomPreQueue && <p class="soft">{t.lottery}</p>}
    </>
  );
}

function Place() {
  const t = text.value;
  const mine = place.value;
  if (!mine) return null;
  const before = ahead.value;
  const nowServing = Math.max(mine.serving, serving.value?.serving ?? 0);
  // While nobody is admitted, there is neither a turn nor an estimate to show.
  const soldOut = serving.value?.soldOut === true;
  return (
    <>
      <div class="room-ahead" role="status" aria-live="polite">
        <span class="soft">{t.queue.ahead}</span>
        <strong data-testid="ahead">{before === 0 && !soldOut ? t.queue.next : t.queue.aheadCount(before)}</strong>
      </div>
      <QueueLine ahead={before} />
      <dl class="room-numbers">
        <div>
          <dt>{t.queue.number}</dt>
          <dd>{mine.number?.toLocaleString()}</dd>
        </div>
        <div>
          <dt>{t.queue.serving}</dt>
          <dd>{nowServing.toLocaleString()}</dd>
        </div>
        {!soldOut && (
          <div>
            <dt>{t.queue.eta}</dt>
            <dd>{etaText(estimate.value)}</dd>
          </div>
        )}
      </dl>
    </>
  );
}

function etaText(eta: WaitEstimate | null): string {
  const t = text.value.queue;
  if (!eta) return t.etaUnknown;
  const words = (seconds: number) => {
    const minutes = Math.ceil(seconds / 60);
    if (minutes > LONGEST_SHOWN_MINUTES) return t.longTime;
    return t.minutes(seconds < 60 ? 0 : minutes);
  };
  if (eta.p90Seconds < 60) return t.minutes(0);
  return t.etaRange(words(eta.p50Seconds), words(eta.p90Seconds));
}
