import { text } from '../text';

const SHOWN = ['AVAILABLE', 'selected', 'mine', 'HOLD', 'PENDING', 'OCCUPIED', 'BLOCKED'] as const;

export function Legend() {
  const t = text.value;
  return (
    <ul class="legend">
      {SHOWN.map((state) => (
        <li key={state}>
          <span class={`seat-sample sample-${state.toLowerCase()}`} aria-hidden="true" />
          {t.states[state]}
        </li>
      ))}
    </ul>
  );
}
