import type { Match } from '../api/types';
import { clockKnown, secondsUntil, secondTick, serverNow } from '../live/clock';
import { text } from '../text';
import { longClockText, matchDay, matchTime } from '../text/format';

/** When the sale and its waiting room open, and how the order is made. */
export function Opening({ match, hasPlace }: { match: Match; hasPlace: boolean }) {
  const t = text.value.opening;
  void secondTick.value;
  const { enabled, opensAt, randomPreQueue } = match.queue;
  const roomIsOpen = opensAt && Date.parse(opensAt) <= serverNow();
  return (
    <>
      <SaleOpens match={match} />
      {enabled && !hasPlace && (
        <div class="room-order">
          <p>
            {roomIsOpen ? t.roomIsOpen : opensAt ? t.roomOpens(moment(opensAt)) : t.roomWithSale}
          </p>
          {opensAt && !roomIsOpen && <Left until={opensAt} />}
          <p class="soft">{randomPreQueue ? t.byDraw : t.byArrival}</p>
        </div>
      )}
    </>
  );
}

const moment = (time: string) => `${matchDay(time)} ${matchTime(time)}`;

/** A countdown to the opening of the sale. */
export function SaleOpens({ match }: { match: Match }) {
  const t = text.value.opening;
  if (!match.saleOpensAt) return <p>{t.unknown}</p>;
  return <TimeLeft label={t.sale} until={match.saleOpensAt} />;
}

/** A moment, and the time until then by the server's clock. */
export function TimeLeft({ label, until }: { label: string; until: string }) {
  void secondTick.value;
  const left = secondsUntil(until);
  return (
    <div class="opening">
      <p class="soft">{label}</p>
      <p>
        <time dateTime={until}>{moment(until)}</time>
      </p>
      {clockKnown.value && (
        <strong role="timer" data-testid="opening">
          {left > 0 ? longClockText(left) : text.value.opening.now}
        </strong>
      )}
    </div>
  );
}

function Left({ until }: { until: string }) {
  const left = secondsUntil(until);
  if (!clockKnown.value || left === 0) return null;
  return <strong role="timer">{longClockText(left)}</strong>;
}
