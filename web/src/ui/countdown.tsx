import { useRef } from 'preact/hooks';
import { secondsUntil, secondTick } from '../live/clock';
import { clockText } from '../text/format';

const URGENT_SECONDS = 60;

interface Props {
  until: string;
  label: string;
  /** The whole time in seconds. By default, the time left when this was first shown. */
  whole?: number;
}

/** Time left until a deadline of the server, as digits and as a shrinking bar. */
export function Countdown({ until, label, whole }: Props) {
  void secondTick.value;
  const left = secondsUntil(until);
  const first = useRef({ until, seconds: left });
  if (first.current.until !== until) first.current = { until, seconds: left };
  const share = Math.min(1, left / Math.max(1, whole ?? first.current.seconds));
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
