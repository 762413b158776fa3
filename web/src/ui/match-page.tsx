import { computed, untracked, useSignal, useSignalEffect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { drawing } from '../map/web-gl';
import { sessionKnown, user } from '../api/session';
import { clearChoice, clearFilters } from '../state/choice';
import { floor, showFloor } from '../state/floor';
import { followMap, forgetAsked } from '../state/hold';
import { findOwn, forgetOwn, hold, watchOwn } from '../state/own';
import { enterMatch, health, leaveMatch, lookAt, matchFailure, openMatch, seatsTick, type OpenMatch } from '../state/match';
import { tell } from '../state/notices';
import { draw } from '../state/draw';
import { admitted, checkPlace, watchPlace } from '../state/queue';
import { roomOpen } from '../state/room';
import { text } from '../text';
import { Failure } from './failure';
import { FLOOR_PANEL, FloorTabs, tabId } from './floor-tabs';
import { MatchHead } from './match-head';
import { PassBar } from './pass-bar';
import { SeatList } from './seat-list';
import { SidePanel } from './side-panel';
import { StadiumView } from './stadium-view';
import { useAgain } from './use-again';
import { useTitle } from './use-title';
import { WaitingRoom } from './waiting-room';

/** Stays mounted while the match changes. */
const openId = computed(() => openMatch.value?.match.id);

export function MatchPage({ id }: { id: string }) {
  const t = text.value;
  const view = useSignal<'map' | 'list'>(drawing() !== 'none' ? 'map' : 'list');
  const looking = useSignal(false);

  useEffect(() => {
    void enterMatch(id);
    return () => {
      leaveMatch();
      forgetOwn();
      clearChoice();
      forgetAsked();
      draw.value = null;
      clearFilters();
    };
  }, [id]);

  const open = openMatch.value;
  useEffect(() => open?.states.subscribe(followMap), [open?.states]);
  // Chosen seats of an earlier plan may not exist any more.
  useEffect(
    () => () => {
      clearChoice();
      clearFilters();
    },
    [open?.table],
  );
  useEffect(
    () => (roomOpen.value ? watchPlace(id) : undefined),
    [id, roomOpen.value],
  );
  // A fan who already holds seats must be able to buy them without a pass.
  const waits = !admitted.value && !looking.value && !hold.value;
  // People who see the waiting room when the sale closes are told there.
  const sawRoom = useRef(false);
  const closed = open?.match.status === 'CLOSED' && open.match.queue.enabled;
  if (!closed) sawRoom.current = waits;
  const inRoom = waits || (closed === true && sawRoom.current && !looking.value);
  useEffect(() => lookAt(waits ? 'line' : 'seats'), [waits, open?.states]);
  useTitle();
  useSignalEffect(() => {
    if (!roomOpen.value || !sessionKnown.value || !user.value) return;
    untracked(() => void checkPlace(id));
  });
  useSignalEffect(() => {
    void user.value;
    if (openId.value && sessionKnown.value) untracked(() => void findOwn());
  });
  // Another device of the fan may have held or released seats meanwhile.
  useAgain(watchOwn, () => void findOwn());
  useReconnectNotice();

  const failure = matchFailure.value;
  if (failure) return <Failure error={failure} retry={() => void enterMatch(id)} />;
  if (!open) return <p class="page soft">{t.loading}</p>;
  if (inRoom) return <WaitingRoom match={open.match} onLook={() => (looking.value = true)} />;
  const planKey = `${open.table.plan.id} ${open.table.plan.version}`;
  return (
    <div class="match">
      <MatchHead
        open={open}
        view={view.value}
        onView={(next) => (view.value = next)}
        onRoom={admitted.value ? undefined : () => (looking.value = false)}
      />
      <PassBar />
      {health.value === 'lost' && (
        <p class="lost" role="alert">
          {t.live.lostNotice}
        </p>
      )}
      <div class="match-body">
        <section class="stage" data-health={health.value} aria-label={t.map.seats}>
          {drawing() === 'none' && <p class="banner">{t.map.noWebGl}</p>}
          {open.table.floors.length > 1 && <MatchFloors open={open} />}
          <div class="stage-view" {...panelOfFloor(open)}>
            {view.value === 'map' ? (
              <StadiumView key={planKey} open={open} />
            ) : (
              <SeatList key={`${planKey} ${floor.value}`} open={open} />
            )}
          </div>
        </section>
        <SidePanel open={open} canBuy={admitted.value && open.match.status === 'OPEN'} />
      </div>
    </div>
  );
}

/** The floors with the number of seats that each has left. */
function MatchFloors({ open: { table, states } }: { open: OpenMatch }) {
  void seatsTick.value;
  const free = (id: number) =>
    table.blocksOn(id).reduce((sum, { index }) => sum + states.freeInBlock[index], 0);
  const noteOf = states.known ? (id: number) => text.value.map.free(free(id)) : undefined;
  return <FloorTabs floors={table.floors} shown={floor.value} noteOf={noteOf} onShow={showFloor} />;
}

/** The view belongs to the tab of a floor if there are tabs. */
function panelOfFloor(open: OpenMatch) {
  if (open.table.floors.length < 2) return {};
  return { id: FLOOR_PANEL, role: 'tabpanel', 'aria-labelledby': tabId(floor.value) } as const;
}

/** Announces that a lost connection is back and the seats are up to date. */
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
