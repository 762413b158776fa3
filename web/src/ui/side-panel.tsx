import { useSignalEffect } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { alternatives } from '../state/hold';
import { hold } from '../state/own';
import type { OpenMatch } from '../state/match';
import { BestForm } from './best-form';
import { ChoicePanel } from './choice-panel';
import { CoolDown } from './cool-down';
import { DrawSection } from './draw-section';
import { GradeFilter } from './grade-filter';
import { HoldPanel } from './hold-panel';
import { Legend } from './legend';
import { OpenReservations } from './open-reservations';

export function SidePanel({ open, canBuy }: { open: OpenMatch; canBuy: boolean }) {
  const panel = useRef<HTMLElement>(null);
  // New content is at the top: a hold, or alternatives for lost seats.
  useSignalEffect(() => {
    if (!hold.value && alternatives.value.length === 0) return;
    panel.current?.scrollTo({ top: 0 });
    // The pressed button disappears, so its result gets the focus.
    if (panel.current?.contains(document.activeElement)) panel.current.focus();
  });
  if (hold.value) {
    return (
      <aside class="panel" ref={panel} tabIndex={-1}>
        <OpenReservations />
        <HoldPanel open={open} held={hold.value} />
        <Legend table={open.table} />
        <OwnDraw open={open} />
      </aside>
    );
  }
  return (
    <aside class="panel" ref={panel} tabIndex={-1}>
      <OpenReservations />
      <CoolDown match={open.match.id} />
      <ChoicePanel open={open} canBuy={canBuy} />
      {canBuy && <BestForm open={open} />}
      <GradeFilter open={open} />
      <Legend table={open.table} />
      <OwnDraw open={open} />
    </aside>
  );
}

/** People who have had their turn can still check the draw. */
function OwnDraw({ open }: { open: OpenMatch }) {
  const { enabled, randomPreQueue } = open.match.queue;
  return enabled && randomPreQueue ? <DrawSection match={open.match.id} /> : null;
}
