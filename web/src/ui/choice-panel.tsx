import { chosen, priceOf, seatLimit, toggleSeat } from '../state/choice';
import { alternatives, asking, askForSeats } from '../state/hold';
import { busy } from '../state/own';
import { seatsTick, type OpenMatch } from '../state/match';
import { text } from '../text';
import { nameOf, offerTexts, seatText } from '../text/format';
import { isCoolingDown } from './cool-down';
import { Icon } from './icon';
import { SaleOpens } from './opening';

export function ChoicePanel({ open, canBuy }: { open: OpenMatch; canBuy: boolean }) {
  const t = text.value;
  const seats = chosen.value;
  const { table } = open;
  void seatsTick.value;
  const soldOut = open.states.known && open.states.free === 0;
  if (!canBuy && open.match.status !== 'OPEN') {
    return open.match.status === 'ANNOUNCED' ? (
      <section class="card announced">
        <SaleOpens match={open.match} />
      </section>
    ) : (
      <p class="card soft">{t.choose.notOpen}</p>
    );
  }
  return (
    <section class={seats.length === 0 ? 'card choice choice-empty' : 'card choice'} aria-label={t.choose.title}>
      <h2>{t.choose.title}</h2>
      {seats.length === 0 && (
        <p class="soft">{soldOut ? t.choose.soldOut : t.choose.empty(seatLimit.value)}</p>
      )}
      {open.match.holdsNeedVerifiedEmail && <p class="soft">{t.choose.verifiedOnly}</p>}
      <Alternatives />
      {seats.length > 0 && (
        <>
          <ul class="lines">
            {seats.map((seat) => (
              <li key={seat} class={asking.value.includes(seat) ? 'asking' : ''}>
                <span>
                  <strong>{seatText(table, seat)}</strong>
                  <small class="soft">
                    {nameOf(table.grade(seat).name)} · {t.won(table.grade(seat).price)}
                  </small>
                </span>
                <button
                  class="plain"
                  onClick={() => toggleSeat(seat)}
                  aria-label={t.choose.remove(seatText(table, seat))}
                >
                  <Icon name="close" />
                </button>
              </li>
            ))}
          </ul>
          <p class="total">
            <span>{t.choose.total}</span>
            <strong>{t.won(priceOf(table, seats))}</strong>
          </p>
          <button
            class="button primary wide"
            data-testid="hold"
            disabled={busy.value || !canBuy || isCoolingDown(open.match.id)}
            onClick={() => void askForSeats({ seatIds: seats.map((seat) => table.ids[seat]) })}
          >
            {t.choose.hold(seats.length)}
          </button>
        </>
      )}
    </section>
  );
}

function Alternatives() {
  const t = text.value;
  if (alternatives.value.length === 0) return null;
  return (
    <div class="alternatives" role="group" aria-label={t.choose.alternatives}>
      <p>
        <strong>{t.choose.alternatives}</strong>
      </p>
      {alternatives.value.map((offer) => (
        <button
          key={offer.seatIds.join()}
          class="alternative"
          disabled={busy.value}
          onClick={() => void askForSeats({ seatIds: offer.seatIds })}
        >
          <span>
            {offerTexts(offer).map((line) => (
              <span key={line}>{line}</span>
            ))}
          </span>
          <strong>{t.choose.takeThis}</strong>
        </button>
      ))}
      {chosen.value.length > 0 && <p class="soft">{t.choose.restFree}</p>}
    </div>
  );
}
