import { giveBack, reserve } from '../state/hold';
import { busy, type HeldSeats } from '../state/own';
import type { OpenMatch } from '../state/match';
import { text } from '../text';
import { ClaimLines } from './claim-lines';
import { Countdown } from './countdown';

export function HoldPanel({ open, held }: { open: OpenMatch; held: HeldSeats }) {
  const t = text.value;
  return (
    <section class="card held" aria-label={t.hold.title} data-testid="held">
      <h2>{t.hold.title}</h2>
      <Countdown
        until={held.expiresAt}
        label={t.hold.time}
        whole={open.match.holdTtlMs / 1000}
      />
      <ClaimLines seats={held.seats} serviceFee={held.serviceFee} />
      <p class="total">
        <span>{t.choose.total}</span>
        <strong>{t.won(held.amount)}</strong>
      </p>
      <button
        class="button primary wide"
        data-testid="reserve"
        disabled={busy.value}
        onClick={() => void reserve()}
      >
        {t.hold.reserve}
      </button>
      <button
        class="button wide"
        data-testid="give-back"
        disabled={busy.value}
        onClick={() => void giveBack()}
      >
        {t.hold.giveBack}
      </button>
    </section>
  );
}
