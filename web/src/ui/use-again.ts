import { useEffect } from 'preact/hooks';

const RELOAD_INTERVAL_MS = 10_000;

/**
 * Loads data again that others may change: every ten seconds while the page is visible, and when it
 * becomes visible again.
 */
export function useAgain(look: () => void, onSeen = look, everyMs = RELOAD_INTERVAL_MS): void {
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
