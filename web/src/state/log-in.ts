// The log-in window, which any action can ask for.

import { effect, signal } from '@preact/signals';
import { user } from '../api/session';

type Respond = (loggedIn: boolean) => void;

export const logInAsked = signal<{ reason: string; respond: Respond } | null>(null);

/** A user who logged in elsewhere, or whose session was restored, needs no window. */
effect(() => {
  if (user.value) logInAsked.peek()?.respond(true);
});

/** Resolves to true when the user is logged in, and to false when they close the window. */
export function askLogIn(reason = ''): Promise<boolean> {
  if (user.value) return Promise.resolve(true);
  // There is only one window, so an earlier question ends now.
  logInAsked.value?.respond(false);
  return new Promise((resolve) => {
    logInAsked.value = {
      reason,
      respond: (loggedIn) => {
        logInAsked.value = null;
        resolve(loggedIn);
      },
    };
  });
}
