import { useSignal, type Signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

export interface Loaded<T> {
  data: Signal<T | null>;
  error: Signal<unknown>;
  reload: () => void;
}

/**
 * Loads once, and again on demand. A late response to an earlier load is dropped. What is loaded
 * for a user needs a component with the user as its key.
 */
export function useLoaded<T>(load: () => Promise<T>): Loaded<T> {
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
  }, [attempt.value]);
  return {
    data,
    error,
    reload: () => {
      attempt.value += 1;
    },
  };
}
