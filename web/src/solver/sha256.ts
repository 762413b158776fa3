// SHA-256 of short texts. `crypto.subtle` is asynchronous, which costs more than the hash itself, and
// it is missing when the page is served without TLS.

/** Fraction of a root in 32 bits, as the standard makes its constants. */
const fraction = (value: number) => Math.floor((value - Math.floor(value)) * 0x1_0000_0000) | 0;

function firstPrimes(count: number): number[] {
  const primes: number[] = [];
  for (let number = 2; primes.length < count; number += 1) {
    if (primes.every((prime) => number % prime !== 0)) primes.push(number);
  }
  return primes;
}

const PRIMES = firstPrimes(64);
const ROUNDS = Int32Array.from(PRIMES, (prime) => fraction(Math.cbrt(prime)));
const START = Int32Array.from(PRIMES.slice(0, 8), (prime) => fraction(Math.sqrt(prime)));

const words = new Int32Array(64);
const turn = (word: number, bits: number) => (word >>> bits) | (word << (32 - bits));

function addBlock(state: Int32Array, bytes: DataView, offset: number): void {
  for (let at = 0; at < 16; at += 1) words[at] = bytes.getInt32(offset + at * 4);
  for (let at = 16; at < 64; at += 1) {
    const near = words[at - 2];
    const far = words[at - 15];
    const mixNear = turn(near, 17) ^ turn(near, 19) ^ (near >>> 10);
    const mixFar = turn(far, 7) ^ turn(far, 18) ^ (far >>> 3);
    words[at] = (words[at - 16] + mixFar + words[at - 7] + mixNear) | 0;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let at = 0; at < 64; at += 1) {
    const mixE = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25);
    const first = (h + mixE + ((e & f) ^ (~e & g)) + ROUNDS[at] + words[at]) | 0;
    const mixA = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22);
    const second = (mixA + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
  }
  const next = [a, b, c, d, e, f, g, h];
  for (let at = 0; at < 8; at += 1) state[at] = (state[at] + next[at]) | 0;
}

/** The hash as eight words of 32 bits. The text has ASCII letters only. */
export function sha256(text: string): Int32Array {
  const padded = new DataView(new ArrayBuffer(((text.length + 8) >> 6 << 6) + 64));
  for (let at = 0; at < text.length; at += 1) padded.setUint8(at, text.charCodeAt(at));
  padded.setUint8(text.length, 0x80);
  padded.setUint32(padded.byteLength - 4, text.length * 8);
  const state = START.slice();
  for (let offset = 0; offset < padded.byteLength; offset += 64) addBlock(state, padded, offset);
  return state;
}

/** How many bits 0 a hash begins with. */
export function zeroBits(hash: Int32Array): number {
  const first = hash.findIndex((word) => word !== 0);
  return first < 0 ? 256 : first * 32 + Math.clz32(hash[first]);
}
