import { user } from '../api/session';
import type { Match, WaitEstimate } from '../api/types';
import { ahead, join, joining, leave, place, serving } from '../state/queue';
import { text } from '../text';
import { matchDay, matchTime } from '../text/format';
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
          {matchDay(match.startsAt)} {matchTime(match.startsAt)} · {match.stadium}
        </p>
        {now?.soldOut && (
          <p class="banner banner-bad" role="status">
            {t.queue.soldOut}
          </p>
        )}
        {waits ? <Place /> : <p>{t.queue.intro}</p>}
        {now && (
          <p class="soft room-facts">
            <span>{t.queue.waiting(now.waiting)}</span>
            {now.admittedPerMinute > 0 && <span>{t.queue.rate(now.admittedPerMinute)}</span>}
          </p>
        )}
        {!waits && match.queue?.opensAt && Date.parse(match.queue.opensAt) > Date.now() && (
          <p>{t.queue.opensAt(`${matchDay(match.queue.opensAt)} ${matchTime(match.queue.opensAt)}`)}</p>
        )}
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

function Place() {
  const t = text.value;
  const mine = place.value;
  if (!mine) return null;
  if (mine.number === null) return <p>{t.queue.lottery}</p>;
  const before = ahead.value ?? 0;
  const nowServing = Math.max(mine.serving, serving.value?.serving ?? 0);
  return (
    <>
      <div class="room-ahead" role="status" aria-live="polite">
        <span class="soft">{t.queue.ahead}</span>
        <strong data-testid="ahead">{before === 0 ? t.queue.next : t.queue.aheadCount(before)}</strong>
      </div>
      <QueueLine ahead={before} />
      <dl class="room-numbers">
        <div>
          <dt>{t.queue.number}</dt>
          <dd>{mine.number.toLocaleString()}</dd>
        </div>
        <div>
          <dt>{t.queue.serving}</dt>
          <dd>{nowServing.toLocaleString()}</dd>
        </div>
        <div>
          <dt>{t.queue.eta}</dt>
          <dd>{etaText(mine.eta)}</dd>
        </div>
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
  return t.etaRange(words(eta.p50Seconds), words(eta.p90Seconds));
}
