import { text } from '../text';

/** What is shown is what was last known. */
export function Lost() {
  return (
    <p class="banner" role="alert">
      {text.value.live.lostElsewhere}
    </p>
  );
}
