// The challenge in front of a waiting room: work that a worker does.

import { asProblem } from '../api/problem';
import type { Solution } from '../api/types';

/** Solves a challenge of the kind WORK. */
function solve(token: string, bits: number): Promise<Solution> {
  const worker = new Worker('/solver.js');
  return new Promise<Solution>((done, failed) => {
    worker.onmessage = ({ data }: MessageEvent<string>) => done({ token, answer: data });
    worker.onerror = () => failed(new Error('the solver of the challenge does not run'));
    worker.postMessage({ token, bits });
  }).finally(() => worker.terminate());
}

/** The solution that a refused request asks for; null when it asks for none that the page can solve. */
export async function solutionFor(error: unknown): Promise<Solution | null> {
  const problem = asProblem(error);
  const wanted = problem.members.challenge;
  if (problem.code !== 'CHALLENGE_REQUIRED' || wanted?.kind !== 'WORK') return null;
  if (wanted.token === undefined || wanted.bits === undefined) return null;
  return solve(wanted.token, wanted.bits);
}
