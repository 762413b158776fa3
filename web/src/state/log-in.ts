// The log-in window, as a question that any action can ask.

import { effect, signal } from '@preact/signals';
import { user } from '../api/session';

type Answer = (loggedIn: boolean) => void;

export const logInAsked = signal<{ reason: string; answer: Answer } | null>(null);

/** Who logged in otherwise, in another question or by a session that came back, has answered. */
effect(() => {
  if (user.value) logInAsked.peek()?.answer(true);
});

/** Resolves to true once somebody is logged in, to false when they close the window. */
export function askLogIn(reason = ''): Promise<boolean> {
  if (user.value) return Promise.resolve(true);
  // One window, one question: nobody waits for the answer to an earlier one.
  logInAsked.value?.answer(false);
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
