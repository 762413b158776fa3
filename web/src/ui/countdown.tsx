import { useRef } from 'preact/hooks';
import { secondsUntil, secondTick } from '../live/clock';
import { clockText } from '../text/format';

const URGENT_SECONDS = 60;

/** Time left until a deadline of the server, as digits and as a bar that empties. */
export function Countdown({ until, label }: { until: string; label: string }) {
  void secondTick.value;
  const left = secondsUntil(until);
  const whole = useRef({ until, seconds: Math.max(1, left) });
  if (whole.current.until !== until) whole.current = { until, seconds: Math.max(1, left) };
  const share = Math.min(1, left / whole.current.seconds);
  return (
    <div class={left <= URGENT_SECONDS ? 'countdown urgent' : 'countdown'} role="timer">
      <span>{label}</span>
      <strong data-testid="countdown">{clockText(left)}</strong>
      <div class="countdown-bar" aria-hidden="true">
        <div style={{ transform: `scaleX(${share})` }} />
      </div>
    </div>
  );
}
