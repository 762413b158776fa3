import { secondsUntil, secondTick } from '../live/clock';
import { coolDown } from '../state/hold';
import { text } from '../text';
import { Countdown } from './countdown';

/** Whether the fan may hold no seats of this match at the moment. */
export function isCoolingDown(match: string): boolean {
  void secondTick.value;
  const pause = coolDown.value;
  return pause !== null && pause.match === match && secondsUntil(pause.until) > 0;
}

/** Says why the fan can't hold seats, and until when. */
export function CoolDown({ match }: { match: string }) {
  const t = text.value.coolDown;
  if (!isCoolingDown(match) || !coolDown.value) return null;
  return (
    <section class="card held" data-testid="cool-down">
      <h2>{t.title}</h2>
      <Countdown until={coolDown.value.until} label={t.left} />
      <p class="soft">{t.why}</p>
    </section>
  );
}
