import { drawing } from '../map/web-gl';
import { health, seatsTick, type OpenMatch } from '../state/match';
import { text } from '../text';
import { matchDay, matchTime, nameOf } from '../text/format';
import { Icon } from './icon';

interface Props {
  open: OpenMatch;
  view: 'map' | 'list';
  onView: (view: 'map' | 'list') => void;
  onRoom?: () => void;
}

export function MatchHead({ open, view, onView, onRoom }: Props) {
  const t = text.value;
  const { match } = open;
  return (
    <div class="match-head">
      <a class="plain" href="#/" aria-label={t.back}>
        <Icon name="back" />
      </a>
      <div class="match-title">
        <h1>
          {match.homeTeam} <span class="versus">vs</span> {match.awayTeam}
        </h1>
        <p class="soft">
          {matchDay(match.startsAt)} {matchTime(match.startsAt)} · {nameOf(match.stadium)}
        </p>
      </div>
      <div class="match-tools">
        <SeatsLeft open={open} />
        <span class={`live live-${health.value}`} role="status" data-testid="live">
          {t.live[health.value]}
        </span>
        {onRoom && (
          <button class="button small" onClick={onRoom}>
            {t.queue.backToRoom}
          </button>
        )}
        {drawing() !== 'none' && (
          <div class="switch" role="group" aria-label={t.map.view}>
            <button aria-pressed={view === 'map'} onClick={() => onView('map')}>
              {t.map.map}
            </button>
            <button aria-pressed={view === 'list'} onClick={() => onView('list')}>
              {t.map.list}
            </button>
          </div>
        )}
      </div>
    </div>
  );
}

function SeatsLeft({ open }: { open: OpenMatch }) {
  void seatsTick.value;
  if (!open.states.known) return null;
  return (
    <>
      <span class="seats-left wide-only">
        {text.value.map.left(open.states.free, open.table.count)}
      </span>
      <span class="seats-left phone-only">{text.value.map.free(open.states.free)}</span>
    </>
  );
}
