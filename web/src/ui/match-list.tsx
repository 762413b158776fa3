import { fetchMatches } from '../api/endpoints';
import type { Match } from '../api/types';
import { clockKnown, secondsUntil, secondTick, serverNow } from '../live/clock';
import { text } from '../text';
import { longClockText, matchDay, matchTime, nameOf } from '../text/format';
import { Failure } from './failure';
import { Lost } from './lost';
import { useAgain } from './use-again';
import { useLoaded } from './use-loaded';

const ORDER = { OPEN: 0, ANNOUNCED: 1, DRAFT: 2, CLOSED: 3 } as const;

export function MatchList() {
  const t = text.value;
  const { data, error, reload } = useLoaded(() => fetchMatches(serverNow()));
  // Loads again, because seats are sold and sales open and close while people read the list.
  useAgain(reload);
  // An old list is better than none, if the page says that it is old.
  if (error.value && !data.value) return <Failure error={error.value} retry={reload} />;
  const matches = [...(data.value ?? [])].sort(
    (a, b) => ORDER[a.status] - ORDER[b.status] || a.startsAt.localeCompare(b.startsAt),
  );
  return (
    <div class="page">
      <h1>{t.matches.title}</h1>
      {error.value && data.value && <Lost />}
      {!data.value && <p class="soft">{t.loading}</p>}
      {data.value && matches.length === 0 && <p class="soft">{t.matches.none}</p>}
      <ul class="match-list">
        {matches.map((match) => (
          <li key={match.id}>
            <MatchCard match={match} />
          </li>
        ))}
      </ul>
    </div>
  );
}

function MatchCard({ match }: { match: Match }) {
  const t = text.value;
  const body = (
    <>
      <div class="match-when">
        <strong>{matchDay(match.startsAt)}</strong>
        <span>{matchTime(match.startsAt)}</span>
      </div>
      <div class="match-who">
        <h2>
          {match.homeTeam} <span class="versus" aria-label={t.matches.versus}>vs</span>{' '}
          {match.awayTeam}
        </h2>
        <p class="soft">{nameOf(match.stadium)}</p>
      </div>
      <div class="match-state">
        <Sale match={match} />
        <Room match={match} />
      </div>
    </>
  );
  // A draft has no seats yet.
  if (match.status === 'DRAFT') return <div class="match-card">{body}</div>;
  return (
    <a class="match-card match-card-open" href={`#/matches/${match.id}`}>
      {body}
    </a>
  );
}

/** Whether the waiting room is open, or when it will be. */
function Room({ match }: { match: Match }) {
  const t = text.value.matches;
  void secondTick.value;
  const { enabled, opensAt } = match.queue;
  const mayOpen = match.status === 'OPEN' || match.status === 'ANNOUNCED';
  if (!enabled || !mayOpen) return null;
  if (opensAt && Date.parse(opensAt) > serverNow()) {
    return <small class="soft">{t.roomOpens(`${matchDay(opensAt)} ${matchTime(opensAt)}`)}</small>;
  }
  if (match.status === 'ANNOUNCED' && !opensAt) return null;
  return <span class="badge badge-queue">{t.queued}</span>;
}

/** When an announced sale opens. */
function Announced({ match }: { match: Match }) {
  const t = text.value.matches;
  void secondTick.value;
  const opens = match.saleOpensAt;
  if (!opens) return <span class="badge badge-announced">{t.status.ANNOUNCED}</span>;
  const left = secondsUntil(opens);
  return (
    <>
      <span class="badge badge-announced">{t.saleOpens(`${matchDay(opens)} ${matchTime(opens)}`)}</span>
      {clockKnown.value && left > 0 && <span class="left">{t.saleOpensIn(longClockText(left))}</span>}
    </>
  );
}

/** Whether the match is on sale, and how many seats are left. */
function Sale({ match }: { match: Match }) {
  const t = text.value;
  const { seats, seatsLeft } = match;
  const open = match.status === 'OPEN';
  if (open && seatsLeft === 0) {
    return <span class="badge badge-expired">{t.list.soldOut}</span>;
  }
  if (match.status === 'ANNOUNCED') return <Announced match={match} />;
  return (
    <>
      <span class={`badge badge-${match.status.toLowerCase()}`}>{t.matches.status[match.status]}</span>
      {open && seats !== null && seatsLeft !== null && (
        <span class="left">
          {t.map.free(seatsLeft)}
          <span class="left-bar" aria-hidden="true">
            <span style={{ transform: `scaleX(${seatsLeft / seats})` }} />
          </span>
        </span>
      )}
    </>
  );
}
