import type { SeatLine } from '../api/types';
import { text } from '../text';
import { groupLines } from '../text/format';

interface Props {
  seats: readonly SeatLine[];
  serviceFee?: number;
}

/** The seats of a hold or reservation with type and price, and the service fee. */
export function ClaimLines({ seats, serviceFee }: Props) {
  const t = text.value;
  return (
    <ul class="lines">
      {groupLines(seats).map(({ key, text: name, count, type, price }) => (
        <li key={key}>
          <span class="line">
            <strong>
              {name}
              {count > 1 && <span class="times"> × {count}</span>}
            </strong>
            {type && <small class="soft">{type}</small>}
          </span>
          <span class="price">{t.won(price * count)}</span>
        </li>
      ))}
      {serviceFee ? (
        <li>
          <span>{t.choose.fee}</span>
          <span class="price">{t.won(serviceFee)}</span>
        </li>
      ) : null}
    </ul>
  );
}
