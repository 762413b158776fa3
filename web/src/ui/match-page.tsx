import { untracked, useSignal, useSignalEffect } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { drawing } from '../map/web-gl';
import { sessionKnown, user } from '../api/session';
import { chosen, clearFilters } from '../state/choice';
import { alternatives, followMap } from '../state/hold';
import { findOwn, forgetOwn, hold, watchOwn } from '../state/own';
import { enterMatch, health, leaveMatch, openMatch } from '../state/match';
import { tell } from '../state/notices';
import { admitted, checkPlace, queueEnabled, watchQueue } from '../state/queue';
import { text } from '../text';
import { Failure } from './failure';
import { MatchHead } from './match-head';
import { SeatList } from './seat-list';
import { SidePanel } from './side-panel';
import { StadiumView } from './stadium-view';
import { useAgain } from './use-again';
import { WaitingRoom } from './waiting-room';

export function MatchPage({ id }: { id: string }) {
  const t = text.value;
  const error = useSignal<unknown>(null);
  const view = useSignal<'map' | 'list'>(drawing() !== 'none' ? 'map' : 'list');
  const looking = useSignal(false);

  const enter = () => {
    error.value = null;
    enterMatch(id).catch((problem) => {
      error.value = problem;
    });
  };

  useEffect(() => {
    enter();
    return () => {
      leaveMatch();
      forgetOwn();
      chosen.value = [];
      alternatives.value = [];
      clearFilters();
    };
  }, [id]);

  useEffect(() => openMatch.value?.states.subscribe(followMap), [openMatch.value]);
  useEffect(
    () => (queueEnabled.value ? watchQueue(id) : undefined),
    [id, queueEnabled.value],
  );
  useSignalEffect(() => {
    if (!queueEnabled.value || !sessionKnown.value || !user.value) return;
    untracked(() => void checkPlace(id));
  });
  useSignalEffect(() => {
    void user.value;
    if (openMatch.value && sessionKnown.value) untracked(() => void findOwn());
  });
  // Another device of ours may have done something meanwhile.
  useAgain(watchOwn, () => void findOwn());
  useReconnectNotice();

  if (error.value) return <Failure error={error.value} retry={enter} />;
  const open = openMatch.value;
  if (!open) return <p class="page soft">{t.loading}</p>;
  // A fan who already holds seats must be able to buy them whatever the queue says.
  if (!admitted.value && !looking.value && !hold.value) {
    return <WaitingRoom match={open.match} onLook={() => (looking.value = true)} />;
  }
  return (
    <div class="match">
      <MatchHead
        open={open}
        view={view.value}
        onView={(next) => (view.value = next)}
        onRoom={admitted.value ? undefined : () => (looking.value = false)}
      />
      {health.value === 'lost' && (
        <p class="lost" role="alert">
          {t.live.lostNotice}
        </p>
      )}
      <div class="match-body">
        <section class="stage" data-health={health.value} aria-label={t.map.seats}>
          {drawing() === 'none' && <p class="banner">{t.map.noWebGl}</p>}
          {view.value === 'map' ? <StadiumView open={open} /> : <SeatList open={open} />}
        </section>
        <SidePanel open={open} canBuy={admitted.value && open.match.status === 'OPEN'} />
      </div>
    </div>
  );
}

/** Says so when a lost connection is back, and the seats are right again. */
function useReconnectNotice(): void {
  const wasLost = useSignal(false);
  useSignalEffect(() => {
    if (health.value === 'lost') wasLost.value = true;
    if (health.value === 'live' && wasLost.peek()) {
      wasLost.value = false;
      tell('good', text.peek().live.back);
      void findOwn();
    }
  });
}
