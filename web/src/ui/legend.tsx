import { text } from '../text';
import { ACCESSIBLE, COMPANION, RESTRICTED_VIEW, type SeatTable } from '../venue/seat-table';
import { Icon } from './icon';

const PLACES = [
  ['accessible', ACCESSIBLE, 'wheelchair'],
  ['companion', COMPANION, 'companion'],
] as const;

const SHOWN = ['AVAILABLE', 'selected', 'mine', 'HOLD', 'PENDING', 'OCCUPIED', 'BLOCKED'] as const;

export function Legend({ table }: { table: SeatTable }) {
  const t = text.value;
  return (
    <ul class="legend">
      {SHOWN.map((state) => (
        <li key={state}>
          <span class={`seat-sample sample-${state.toLowerCase()}`} aria-hidden="true" />
          {t.states[state]}
        </li>
      ))}
      {PLACES.filter(([, bit]) => table.hasAny(bit)).map(([name, , icon]) => (
        <li key={name}>
          <span class="seat-sample sample-place" aria-hidden="true">
            <Icon name={icon} />
          </span>
          {t.attributes[name]}
        </li>
      ))}
      {table.hasAny(RESTRICTED_VIEW) && (
        <li>
          <Icon name="restricted" />
          {t.attributes.restrictedView}
        </li>
      )}
      {table.blocks.some(({ isArea }) => isArea) && (
        <li>
          <span class="seat-sample sample-area" aria-hidden="true" />
          {t.attributes.area}
        </li>
      )}
    </ul>
  );
}
