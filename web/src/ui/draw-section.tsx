import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Draw } from '../api/types';
import { canCheck, checkDraw, draw, ownTicket, readDraw, type Checked } from '../state/draw';
import { serving } from '../state/match';
import { text } from '../text';

/** How the random order is made, and a check of one's own place in it. */
export function DrawSection({ match }: { match: string }) {
  const t = text.value.draw;
  const isOpen = useSignal(false);
  const drawn = serving.value?.drawn ?? null;
  useEffect(() => {
    if (isOpen.value) void readDraw(match);
  }, [match, isOpen.value, drawn]);
  const published = draw.value;
  const { ticket, number } = ownTicket.value;
  return (
    <details
      class="draw"
      data-testid="draw"
      onToggle={(event) => (isOpen.value = event.currentTarget.open)}
    >
      <summary>{t.title}</summary>
      <ol>
        {t.steps.map((step) => (
          <li key={step}>{step}</li>
        ))}
      </ol>
      {published && (
        <dl>
          <Fact name={t.seedHash} value={<code>{published.seedHash}</code>} />
          <Fact name={t.seed} value={published.seed ? <code>{published.seed}</code> : t.later} />
          {published.drawn !== null && <Fact name={t.drawn} value={t.tickets(published.drawn)} />}
          {ticket !== null && <Fact name={t.ticket} value={ticket.toLocaleString()} />}
          {number !== null && <Fact name={t.number} value={number.toLocaleString()} />}
        </dl>
      )}
      {published?.seed && published.drawn !== null && <Check published={published} />}
    </details>
  );
}

function Fact({ name, value }: { name: string; value: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** Draws all tickets again in this browser. */
function Check({ published }: { published: Draw }) {
  const t = text.value.draw;
  const own = ownTicket.value;
  const typed = useSignal(String(own.ticket ?? ''));
  const share = useSignal<number | null>(null);
  const result = useSignal<{ ticket: number; checked: Checked } | null>(null);
  if (!canCheck()) return <p class="soft">{t.noHash}</p>;
  const drawn = published.drawn ?? 0;
  const ticket = Number(typed.value);
  const isDrawn = Number.isInteger(ticket) && ticket >= 1 && ticket <= drawn;
  const check = async (event: SubmitEvent) => {
    event.preventDefault();
    if (!published.seed || !isDrawn || share.value !== null) return;
    share.value = 0;
    result.value = null;
    const known = { ...published, seed: published.seed, drawn };
    const checked = await checkDraw(known, ticket, (done) => (share.value = done));
    result.value = { ticket, checked };
    share.value = null;
  };
  return (
    <form class="draw-check" onSubmit={check}>
      <label>
        <span>{t.whichTicket}</span>
        <input
          inputMode="numeric"
          value={typed.value}
          onInput={(event) => (typed.value = event.currentTarget.value.trim())}
        />
      </label>
      <button class="button small" disabled={!isDrawn || share.value !== null}>
        {t.check}
      </button>
      {ticket > drawn && <p class="soft">{t.notDrawn}</p>}
      {share.value !== null && (
        <progress value={share.value} aria-label={t.checking}>
          {t.checking}
        </progress>
      )}
      <div role="status">{result.value && <Result {...result.value} drawn={drawn} />}</div>
    </form>
  );
}

function Result({ ticket, checked, drawn }: { ticket: number; checked: Checked; drawn: number }) {
  const t = text.value.draw;
  const own = ownTicket.value;
  // The number that the server told must be the place that was found.
  const differs = own.ticket === ticket && own.number !== null && own.number !== checked.place;
  if (!checked.seedFits) return <p class="banner banner-bad">{t.wrongSeed}</p>;
  if (differs) return <p class="banner banner-bad">{t.wrongNumber(ticket, checked.place)}</p>;
  return (
    <p class="banner banner-good" data-testid="checked">
      {t.checked(ticket, checked.place, drawn)}
    </p>
  );
}
