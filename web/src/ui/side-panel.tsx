import { hold } from '../state/hold';
import type { OpenMatch } from '../state/match';
import { BestForm } from './best-form';
import { ChoicePanel } from './choice-panel';
import { GradeFilter } from './grade-filter';
import { HoldPanel } from './hold-panel';
import { Legend } from './legend';

export function SidePanel({ open, canBuy }: { open: OpenMatch; canBuy: boolean }) {
  if (hold.value?.matchId === open.match.id) {
    return (
      <aside class="panel">
        <HoldPanel open={open} held={hold.value} />
        <Legend />
      </aside>
    );
  }
  return (
    <aside class="panel">
      <ChoicePanel open={open} canBuy={canBuy} />
      {canBuy && <BestForm open={open} />}
      <GradeFilter open={open} />
      <Legend />
    </aside>
  );
}
