import { text } from '../text';

/** What is shown is what was last known. */
export function Lost() {
  return (
    <p class="lost" role="alert">
      {text.value.live.lostNotice}
    </p>
  );
}
