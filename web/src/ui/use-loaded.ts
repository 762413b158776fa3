import { useSignal, type Signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

export interface Loaded<T> {
  data: Signal<T | null>;
  error: Signal<unknown>;
  reload: () => void;
}

/** Loads once, and again on demand. A late response to an earlier load is dropped. */
export function useLoaded<T>(load: () => Promise<T>, on: unknown[] = []): Loaded<T> {
  const data = useSignal<T | null>(null);
  const error = useSignal<unknown>(null);
  const attempt = useSignal(0);
  useEffect(() => {
    let current = true;
    error.value = null;
    load().then(
      (loaded) => {
        if (current) data.value = loaded;
      },
      (problem) => {
        if (current) error.value = problem;
      },
    );
    return () => {
      current = false;
    };
  }, [...on, attempt.value]);
  return {
    data,
    error,
    reload: () => {
      attempt.value += 1;
    },
  };
}
