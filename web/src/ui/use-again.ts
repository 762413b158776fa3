import { useEffect } from 'preact/hooks';

const EVERY_MS = 10_000;

/**
 * Looks again at what others may change: every ten seconds while the page is seen, and as soon as it
 * is seen again.
 */
export function useAgain(look: () => void, onSeen = look, everyMs = EVERY_MS): void {
  useEffect(() => {
    const again = () => void (document.hidden || look());
    const seen = () => void (document.hidden || onSeen());
    const timer = setInterval(again, everyMs);
    document.addEventListener('visibilitychange', seen);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', seen);
    };
  }, [everyMs]);
}
