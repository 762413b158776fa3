import { useRef } from 'preact/hooks';
import { serving } from '../state/match';
import { estimate, LONGEST_SECONDS } from '../state/estimate';
import { ahead, place } from '../state/queue';
import { roomState } from '../state/room';
import type { QueuePlace, WaitEstimate } from '../api/types';
import { text } from '../text';
import { QueueLine } from './queue-line';

/** The user's ticket, or their number in the line. */
export function RoomPlace() {
  const mine = place.value;
  if (!mine) return null;
  return mine.number === null ? <TicketPlace mine={mine} /> : <NumberPlace mine={mine} />;
}

/** The place before the draw. */
function TicketPlace({ mine }: { mine: QueuePlace }) {
  const t = text.value.queue;
  const waitsForDraw = roomState.value !== 'NOT_OPEN';
  return (
    <div class="room-ticket" role="status">
      <p>{t.youAreIn}</p>
      {mine.ticket !== null && (
        <p class="room-ahead">
          <span class="soft">{t.ticket}</span>
          <strong data-testid="ticket-number">{mine.ticket.toLocaleString()}</strong>
        </p>
      )}
      <p>{waitsForDraw ? t.drawing : t.beforeDraw}</p>
    </div>
  );
}

function NumberPlace({ mine }: { mine: QueuePlace }) {
  const t = text.value.queue;
  const before = ahead.value ?? 0;
  const nowServing = Math.max(mine.serving, serving.value?.serving ?? 0);
  const state = roomState.value;
  const moves = state === 'OPEN' || state === 'SLOWED';
  const isNext = before === 0 && state !== 'NOT_OPEN';
  return (
    <>
      <div class="room-ahead">
        <span class="soft">{t.ahead}</span>
        <strong data-testid="ahead">{isNext ? t.next : t.aheadCount(before)}</strong>
      </div>
      <Spoken ahead={before} />
      <QueueLine ahead={before} />
      <dl class="room-numbers">
        <div>
          <dt>{t.number}</dt>
          <dd data-testid="number">{mine.number?.toLocaleString()}</dd>
        </div>
        <div>
          <dt>{t.serving}</dt>
          <dd>{nowServing.toLocaleString()}</dd>
        </div>
        {moves && (
          <div>
            <dt>{t.eta}</dt>
            <dd data-testid="estimate">{etaText(estimate.value)}</dd>
          </div>
        )}
      </dl>
    </>
  );
}

/** Screen readers say the first number, and then only each time that the line is about half as long. */
function Spoken({ ahead }: { ahead: number }) {
  const t = text.value.queue;
  const said = useRef(ahead);
  if (ahead > said.current || ahead <= said.current / 2) said.current = ahead;
  const words = said.current === 0 ? t.next : `${t.ahead}: ${t.aheadCount(said.current)}`;
  return (
    <p class="spoken" role="status">
      {words}
    </p>
  );
}

export function etaText(eta: WaitEstimate | null): string {
  const t = text.value.queue;
  if (!eta) return t.etaUnknown;
  if (eta.p50Seconds >= LONGEST_SECONDS) return t.longTime;
  if (eta.p90Seconds < 60) return t.minutes(0);
  const words = (seconds: number) => {
    if (seconds >= LONGEST_SECONDS) return t.longTime;
    return t.minutes(seconds < 60 ? 0 : Math.ceil(seconds / 60));
  };
  return t.etaRange(words(eta.p50Seconds), words(eta.p90Seconds));
}
