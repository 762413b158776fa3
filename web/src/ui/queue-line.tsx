import { useRef } from 'preact/hooks';

const DOTS = 24;

/** The people ahead of the user, as dots that move to the gate. */
export function QueueLine({ ahead }: { ahead: number }) {
  const longest = useRef(Math.max(1, ahead));
  longest.current = Math.max(longest.current, ahead);
  // The whole way is the longest line that was seen so far.
  const share = 1 - ahead / longest.current;
  const me = Math.round((1 - share) * (DOTS - 1));
  return (
    <div class="queue-line" aria-hidden="true">
      <span class="queue-gate" />
      {Array.from({ length: DOTS }, (_, index) => (
        <span key={index} class={index === me ? 'queue-me' : index < me ? 'queue-ahead' : 'queue-free'} />
      ))}
    </div>
  );
}
