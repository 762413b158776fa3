// A worker that finds the answer of a challenge, so that the page stays usable meanwhile.

import { sha256, zeroBits } from './sha256';

onmessage = ({ data }: MessageEvent<{ token: string; bits: number }>) => {
  let answer = 0;
  while (zeroBits(sha256(`${data.token}:${answer}`)) < data.bits) answer += 1;
  postMessage(String(answer));
};
