import {
  chosen,
  chosenAreas,
  chosenCount,
  costOfChoice,
  holdOfChoice,
  overLimit,
  seatLimit,
} from '../state/choice';
import { alternatives, askForSeats, takeOffer } from '../state/hold';
import { busy } from '../state/own';
import { seatsTick, type OpenMatch } from '../state/match';
import { text } from '../text';
import { offerTexts, priceName } from '../text/format';
import { ChoiceLines } from './choice-lines';
import { isCoolingDown } from './cool-down';
import { SaleOpens } from './opening';

export function ChoicePanel({ open, canBuy }: { open: OpenMatch; canBuy: boolean }) {
  const t = text.value;
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
  const count = chosenCount.value;
  return (
    <section class={count === 0 ? 'card choice choice-empty' : 'card choice'} aria-label={t.choose.title}>
      <h2>{t.choose.title}</h2>
      {count === 0 && (
        <p class="soft">{soldOut ? t.choose.soldOut : t.choose.empty(seatLimit.value)}</p>
      )}
      {open.match.holdsNeedVerifiedEmail && <p class="soft">{t.choose.verifiedOnly}</p>}
      <Alternatives open={open} />
      {count > 0 && (
        <>
          <ChoiceLines open={open} />
          <Sum open={open} canBuy={canBuy} />
        </>
      )}
    </section>
  );
}

function Sum({ open, canBuy }: { open: OpenMatch; canBuy: boolean }) {
  const t = text.value;
  const { fee, total } = costOfChoice(open.table);
  const limited = overLimit(open.table);
  const count = chosenCount.value;
  return (
    <>
      {fee > 0 && (
        <p class="fee soft">
          <span>{t.choose.fee}</span>
          <span class="price">{t.won(fee)}</span>
        </p>
      )}
      <p class="total">
        <span>{t.choose.total}</span>
        <strong>{t.won(total)}</strong>
      </p>
      {limited?.limit && (
        <p class="banner banner-bad" role="alert">
          {t.choose.typeLimit(priceName(limited.name), limited.limit)}
        </p>
      )}
      <button
        class="button primary wide"
        data-testid="hold"
        disabled={busy.value || !canBuy || Boolean(limited) || isCoolingDown(open.match.id)}
        onClick={() => void askForSeats(holdOfChoice(open.table))}
      >
        {chosenAreas.value.length > 0 ? t.choose.holdPlaces(count) : t.choose.hold(count)}
      </button>
    </>
  );
}

function Alternatives({ open }: { open: OpenMatch }) {
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
          onClick={() => void takeOffer(open.table, offer)}
        >
          <span>
            {offerTexts(offer).map((line) => (
              <span key={line}>{line}</span>
            ))}
            <span class="soft">{t.won(offer.amount)}</span>
          </span>
          <strong>{t.choose.takeThis}</strong>
        </button>
      ))}
      {chosen.value.length > 0 && <p class="soft">{t.choose.restFree}</p>}
    </div>
  );
}
