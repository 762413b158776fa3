import { useSignalEffect } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { alternatives, hold } from '../state/hold';
import type { OpenMatch } from '../state/match';
import { BestForm } from './best-form';
import { ChoicePanel } from './choice-panel';
import { GradeFilter } from './grade-filter';
import { HoldPanel } from './hold-panel';
import { Legend } from './legend';

export function SidePanel({ open, canBuy }: { open: OpenMatch; canBuy: boolean }) {
  const panel = useRef<HTMLElement>(null);
  // What is new stands at the top: a hold, or seats offered instead of lost ones.
  useSignalEffect(() => {
    if (hold.value || alternatives.value.length > 0) panel.current?.scrollTo({ top: 0 });
  });
  if (hold.value) {
    return (
      <aside class="panel" ref={panel}>
        <HoldPanel open={open} held={hold.value} />
        <Legend />
      </aside>
    );
  }
  return (
    <aside class="panel" ref={panel}>
      <ChoicePanel open={open} canBuy={canBuy} />
      {canBuy && <BestForm open={open} />}
      <GradeFilter open={open} />
      <Legend />
    </aside>
  );
}
