import { text } from '../text';

/** Says that the page shows the last known state. */
export function Lost() {
  return (
    <p class="banner" role="alert">
      {text.value.live.lostElsewhere}
    </p>
  );
}
