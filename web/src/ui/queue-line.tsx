import { useRef } from 'preact/hooks';

const DOTS = 24;

/** The line of people before us, as dots that move up to the gate. */
export function QueueLine({ ahead }: { ahead: number }) {
  const longest = useRef(Math.max(1, ahead));
  longest.current = Math.max(longest.current, ahead);
  // The whole way is as long as the line was when we first saw it.
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
