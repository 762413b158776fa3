import { focusWhenShown } from './focus';
import { Icon } from './icon';

interface Props {
  value: number;
  min: number;
  max: number;
  label: string;
  fewer: string;
  more: string;
  /** Whether it gets the focus when it appears. */
  focus?: boolean;
  onChange: (value: number) => void;
}

export function Stepper({ value, min, max, label, fewer, more, focus, onChange }: Props) {
  return (
    <div class="stepper" role="group" aria-label={label}>
      <button type="button" disabled={value <= min} onClick={() => onChange(value - 1)} aria-label={fewer}>
        <Icon name="minus" />
      </button>
      <output aria-live="polite">{value}</output>
      <button
        type="button"
        ref={focus ? focusWhenShown : undefined}
        disabled={value >= max}
        onClick={() => onChange(value + 1)}
        aria-label={more}
      >
        <Icon name="plus" />
      </button>
    </div>
  );
}
