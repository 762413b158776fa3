import { soundAllowed, soundOn, switchSound } from '../state/turn-sound';
import { text } from '../text';

/** Switches the sound of one's turn on and off. */
export function TurnSound() {
  const t = text.value.queue;
  return (
    <p class="turn-sound">
      <button class="button small" aria-pressed={soundOn.value} onClick={switchSound}>
        {soundOn.value ? t.soundIsOn : t.soundIsOff}
      </button>
      {soundOn.value && !soundAllowed.value && <small class="soft">{t.soundTouch}</small>}
    </p>
  );
}
