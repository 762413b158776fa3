// The log-in window, as a question that any action can ask.

import { signal } from '@preact/signals';
import { user } from '../api/session';

type Answer = (loggedIn: boolean) => void;

export const logInAsked = signal<{ reason: string; answer: Answer } | null>(null);

/** Resolves to true once somebody is logged in, to false when they close the window. */
export function askLogIn(reason = ''): Promise<boolean> {
  if (user.value) return Promise.resolve(true);
  return new Promise((resolve) => {
    logInAsked.value = {
      reason,
      answer: (loggedIn) => {
        logInAsked.value = null;
        resolve(loggedIn);
      },
    };
  });
}
