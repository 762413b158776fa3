import { fetchMatch, fetchReservations } from '../api/endpoints';
import { sessionKnown, user } from '../api/session';
import type { Match, Reservation } from '../api/types';
import { askLogIn } from '../state/log-in';
import { text } from '../text';
import { matchDay, matchTime, reservationNumber } from '../text/format';
import { Failure } from './failure';
import { useAgain } from './use-again';
import { useLoaded } from './use-loaded';

export function ReservationList() {
  const t = text.value;
  if (!sessionKnown.value) return <p class="page soft">{t.loading}</p>;
  return (
    <div class="page narrow">
      <h1>{t.reservations.title}</h1>
      {user.value ? (
        <Mine key={user.value.id} />
      ) : (
        <div class="card">
          <p>{t.reservations.logIn}</p>
          <button class="button primary" onClick={() => void askLogIn()}>
            {t.logIn}
          </button>
        </div>
      )}
    </div>
  );
}

const known = new Map<string, Match>();

/** A match, which hardly ever changes after its sale; nothing if it can't be read now. */
async function matchOnce(id: string): Promise<Match | undefined> {
  const match = known.get(id) ?? (await fetchMatch(id).catch(() => undefined));
  if (match) known.set(id, match);
  return match;
}

function Mine() {
  const t = text.value;
  const { data, error, reload } = useLoaded(async () => {
    const mine = await fetchReservations();
    const ids = [...new Set(mine.reservations.map((reservation) => reservation.matchId))];
    const matches = await Promise.all(ids.map(matchOnce));
    return { ...mine, matches: new Map(ids.map((id, place) => [id, matches[place]])) };
  });
  useAgain(reload);
  if (error.value && !data.value) return <Failure error={error.value} retry={reload} />;
  if (!data.value) return <p class="soft">{t.loading}</p>;
  const { reservations, history, open, matches } = data.value;
  if (reservations.length === 0 && history && open) {
    return <p class="card soft">{t.reservations.none}</p>;
  }
  return (
    <ul class="match-list">
      {!history && <li class="banner">{t.problems.codes.HISTORY_UNAVAILABLE}</li>}
      {!open && <li class="banner">{t.problems.codes.UNAVAILABLE}</li>}
      {reservations.map((reservation) => (
        <li key={reservation.id}>
          <Entry reservation={reservation} match={matches.get(reservation.matchId)} />
        </li>
      ))}
    </ul>
  );
}

function Entry({ reservation, match }: { reservation: Reservation; match?: Match }) {
  const t = text.value;
  return (
    <a class="match-card match-card-open" href={`#/reservations/${reservation.id}`}>
      <div class="match-when">
        {match && <strong>{matchDay(match.startsAt)}</strong>}
        {match && <span>{matchTime(match.startsAt)}</span>}
      </div>
      <div class="match-who">
        <h2>{match ? `${match.homeTeam} vs ${match.awayTeam}` : reservationNumber(reservation.id)}</h2>
        <p class="soft">
          {t.reservations.seats(reservation.seats.length)} · {t.won(reservation.amount)}
        </p>
      </div>
      <div class="match-state">
        {reservation.status === 'PENDING' && (
          <span class="button small primary" data-testid="go-on">
            {t.reservations.goOn}
          </span>
        )}
        <span class={`badge badge-${reservation.status.toLowerCase()}`}>
          {t.reservations.status[reservation.status]}
        </span>
      </div>
    </a>
  );
}
