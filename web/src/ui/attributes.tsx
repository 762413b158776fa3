import { text } from '../text';
import { ACCESSIBLE, COMPANION, RESTRICTED_VIEW, type SeatTable } from '../venue/seat-table';
import { Icon } from './icon';

const SHOWN = [
  ['accessible', ACCESSIBLE, 'wheelchair'],
  ['companion', COMPANION, 'companion'],
  ['restrictedView', RESTRICTED_VIEW, 'restricted'],
] as const;

/** What is special about a seat, in words. */
export function attributeNames(table: SeatTable, seat: number): string[] {
  const t = text.value.attributes;
  return SHOWN.filter(([, bit]) => table.has(seat, bit)).map(([name]) => t[name]);
}

/** What is special about a seat, with a symbol for each. */
export function Attributes({ table, seat }: { table: SeatTable; seat: number }) {
  const t = text.value.attributes;
  const shown = SHOWN.filter(([, bit]) => table.has(seat, bit));
  if (shown.length === 0) return null;
  return (
    <span class="attributes">
      {shown.map(([name, , icon]) => (
        <span key={name} class={`attribute attribute-${icon}`}>
          <Icon name={icon} /> {t[name]}
        </span>
      ))}
    </span>
  );
}

/** The symbol of a wheelchair place or of a companion seat. */
export function PlaceSymbol({ table, seat }: { table: SeatTable; seat: number }) {
  if (table.has(seat, ACCESSIBLE)) return <Icon name="wheelchair" />;
  if (table.has(seat, COMPANION)) return <Icon name="companion" />;
  return null;
}
