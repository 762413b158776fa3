import { signal } from '@preact/signals';
import { fetchMatch, fetchReservations } from '../api/endpoints';
import { sessionKnown, user } from '../api/session';
import type { Match, Reservation } from '../api/types';
import { serverNow } from '../live/clock';
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

/** Matches of reservations, which are read one after the other, because there may be many. */
const known = signal(new Map<string, Match>());

async function learn(ids: Set<string>): Promise<void> {
  for (const id of ids) {
    const match = known.value.get(id);
    // One that has begun does not change any more.
    if (match && Date.parse(match.startsAt) < serverNow()) continue;
    const found = await fetchMatch(id).catch(() => undefined);
    if (found) known.value = new Map(known.value).set(id, found);
  }
}

function Mine() {
  const t = text.value;
  const { data, error, reload } = useLoaded(async () => {
    const mine = await fetchReservations();
    void learn(new Set(mine.reservations.map((reservation) => reservation.matchId)));
    return mine;
  });
  useAgain(reload);
  if (error.value && !data.value) return <Failure error={error.value} retry={reload} />;
  if (!data.value) return <p class="soft">{t.loading}</p>;
  const { reservations, history, open } = data.value;
  if (reservations.length === 0 && history && open) {
    return <p class="card soft">{t.reservations.none}</p>;
  }
  return (
    <ul class="match-list">
      {!history && <li class="banner">{t.problems.codes.HISTORY_UNAVAILABLE}</li>}
      {!open && <li class="banner">{t.problems.codes.UNAVAILABLE}</li>}
      {reservations.map((reservation) => (
        <li key={reservation.id}>
          <Entry reservation={reservation} match={known.value.get(reservation.matchId)} />
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
