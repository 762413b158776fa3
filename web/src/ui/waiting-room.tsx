import type { Match } from '../api/types';
import { secondTick, serverNow } from '../live/clock';
import { health, serving } from '../state/match';
import { user } from '../api/session';
import { ending, join, joinAfter, joining, leave, place } from '../state/queue';
import { mayJoin, polling, roomState, settings } from '../state/room';
import { text } from '../text';
import { matchDay, matchTime, nameOf } from '../text/format';
import { DrawSection } from './draw-section';
import { Lost } from './lost';
import { Opening, TimeLeft } from './opening';
import { RoomPlace } from './room-place';
import { TurnSound } from './turn-sound';

export function WaitingRoom({ match, onLook }: { match: Match; onLook: () => void }) {
  const t = text.value.queue;
  const state = roomState.value;
  const waits = place.value !== null && user.value !== null && state !== 'CLOSED';
  return (
    <div class="page room">
      <div class="card room-card">
        <p class="badge badge-queue">{t.title}</p>
        <h1>
          {match.homeTeam} <span class="versus">vs</span> {match.awayTeam}
        </h1>
        <p class="soft">
          {matchDay(match.startsAt)} {matchTime(match.startsAt)} · {nameOf(match.stadium)}
        </p>
        <Connection />
        <div class="room-words" role="status">
          <StateWords hasPlace={waits} />
        </div>
        {state === 'NOT_OPEN' && <Opening match={match} hasPlace={waits} />}
        {waits && state !== 'SOLD_OUT' && <RoomPlace />}
        {!waits && state !== 'CLOSED' && <NoPlace />}
        <Facts />
        <Actions match={match} waits={waits} onLook={onLook} />
        {waits && <TurnSound />}
        {waits && <p class="soft">{t.keepOpen}</p>}
        {match.queue.randomPreQueue && <DrawSection match={match.id} />}
      </div>
    </div>
  );
}

/** Without an event stream, the page says how up to date it is. */
function Connection() {
  if (health.value !== 'lost') return null;
  return polling.value ? <p class="soft">{text.value.queue.polling}</p> : <Lost />;
}

/** Why the line does not move as usual. */
function StateWords({ hasPlace }: { hasPlace: boolean }) {
  const t = text.value.queue;
  const mayReturn = serving.value?.seatsMayReturn !== false;
  switch (roomState.value) {
    case 'SLOWED':
      return <p class="banner">{t.slowed}</p>;
    case 'PAUSED':
      return <p class="banner">{t.paused}</p>;
    case 'SOLD_OUT':
      return (
        <p class="banner banner-bad">
          {t.soldOut} {mayReturn ? (hasPlace ? t.mayReturnPlace : t.mayReturn) : t.noReturn}
        </p>
      );
    case 'CLOSED':
      return <p class="banner banner-bad">{t.closed}</p>;
    default:
      return null;
  }
}

/** Why the user has no place, and from when on they may join. */
function NoPlace() {
  const t = text.value.queue;
  void secondTick.value;
  const state = roomState.value;
  const why = ending.value;
  const opensAt = settings.value?.opensAt;
  const later = opensAt && Date.parse(opensAt) > serverNow();
  return (
    <>
      {why && (
        <p class={why === 'LEFT' ? 'soft' : 'banner'} role="status">
          {t.endings[why]}
        </p>
      )}
      {!why && (state === 'OPEN' || state === 'SLOWED') && <p>{t.intro}</p>}
      {later && state !== 'NOT_OPEN' && <TimeLeft label={t.joinFrom} until={opensAt} />}
    </>
  );
}

/** The line as a whole. It keeps its space while empty, so that the buttons do not move under a finger. */
function Facts() {
  const t = text.value.queue;
  const now = serving.value;
  const state = roomState.value;
  void secondTick.value;
  if (state === 'SOLD_OUT' || state === 'CLOSED' || (state === 'NOT_OPEN' && !mayJoin())) return null;
  const moves = state === 'OPEN' || state === 'SLOWED';
  return (
    <p class="soft room-facts">
      <span>{now ? t.waiting(now.waiting) : '\u00a0'}</span>
      {moves && now && now.admittedPerMinute !== null && <span>{t.rate(now.admittedPerMinute)}</span>}
    </p>
  );
}

interface ActionsProps {
  match: Match;
  waits: boolean;
  onLook: () => void;
}

function Actions({ match, waits, onLook }: ActionsProps) {
  const t = text.value.queue;
  // Updates every second, because the waiting room opens while people watch.
  void secondTick.value;
  const pauseSeconds = Math.max(0, Math.ceil((joinAfter.value - serverNow()) / 1000));
  const isDrawn = match.queue.randomPreQueue && roomState.value === 'NOT_OPEN';
  return (
    <div class="room-actions">
      {!waits && mayJoin() && (
        <button
          class="button primary"
          data-testid="join"
          disabled={joining.value || pauseSeconds > 0}
          onClick={() => void join(match.id)}
        >
          {pauseSeconds > 0 ? t.joinIn(pauseSeconds) : ending.value ? t.joinAgain : t.join}
        </button>
      )}
      <button class="button" onClick={onLook}>
        {t.look}
      </button>
      {waits && (
        <button
          class="link"
          onClick={() => confirm(isDrawn ? t.leaveSureTicket : t.leaveSure) && void leave(match.id)}
        >
          {t.leave}
        </button>
      )}
    </div>
  );
}
