import { useEffect } from 'preact/hooks';
import { clockKnown, secondsUntil, secondTick } from '../live/clock';
import { tell } from '../state/notices';
import { place } from '../state/queue';
import { text } from '../text';
import { clockText } from '../text/format';

const URGENT_SECONDS = 60;

/** The waiting room has disappeared, perhaps with the button that had the focus. */
function takeLostFocus(bar: HTMLElement | null): void {
  if (document.activeElement === document.body) bar?.focus();
}

/** How long the user may choose seats. Warns once, a minute before the end. */
export function PassBar() {
  const t = text.value.queue;
  void secondTick.value;
  const until = place.value?.state === 'ADMITTED' ? place.value.passExpiresAt : null;
  const left = until ? secondsUntil(until) : 0;
  const isUrgent = clockKnown.value && until !== null && left > 0 && left <= URGENT_SECONDS;
  useEffect(() => {
    if (isUrgent) tell('bad', text.peek().queue.passSoon);
  }, [isUrgent]);
  if (!until) return null;
  return (
    <p
      class={isUrgent ? 'pass-bar pass-urgent' : 'pass-bar'}
      data-testid="pass"
      tabIndex={-1}
      ref={takeLostFocus}
    >
      <span>{isUrgent ? t.passSoon : t.passLeft}</span>
      <strong role="timer">{clockText(left)}</strong>
    </p>
  );
}
