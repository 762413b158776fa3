import { useSignalEffect } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { ahead, place } from '../state/queue';
import { roomOpen, roomState } from '../state/room';
import { text } from '../text';

/** Shows on the tab how far the user is in the line, for people who look at another tab meanwhile. */
export function useTitle(): void {
  useSignalEffect(() => {
    const { brand, queue } = text.value;
    const words = roomOpen.value ? wordsOf(queue) : null;
    document.title = words ? `${words} · ${brand}` : brand;
  });
  useEffect(
    () => () => {
      document.title = text.peek().brand;
    },
    [],
  );
}

function wordsOf(t: typeof text.value.queue): string | null {
  if (place.value?.state === 'ADMITTED') return t.titleTurn;
  const before = ahead.value;
  const counts = roomState.value === 'OPEN' || roomState.value === 'SLOWED';
  return place.value && before !== null && counts ? t.titleAhead(before) : null;
}
