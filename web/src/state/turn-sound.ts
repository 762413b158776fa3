// The sound of one's turn. It is made here, because browsers play nothing before the person has
// touched the page, and a file would have to be loaded at the busiest moment.

import { signal } from '@preact/signals';

const STORED = 'grandstand.sound';
/** Frequencies of the tones in Hz. Each lasts `TONE_SECONDS`. */
const TONES_HZ = [659, 880, 1319];
const TONE_SECONDS = 0.22;
const VOLUME = 0.25;
const REPEATS = 3;
const REPEAT_PAUSE_SECONDS = 1.2;

export const soundOn = signal(localStorage.getItem(STORED) === 'on');
/** False while the browser does not allow a sound, because the person has not touched the page. */
export const soundAllowed = signal(false);

let audio: AudioContext | null = null;

/** Call it in the handler of a click or of a key. */
export function switchSound(): void {
  soundOn.value = !soundOn.value;
  localStorage.setItem(STORED, soundOn.value ? 'on' : 'off');
  // The person hears what they will hear.
  if (soundOn.value) void allowSound().then(() => play(1));
}

export function soundTurn(): void {
  if (soundOn.value) play(REPEATS);
}

async function allowSound(): Promise<void> {
  audio ??= new AudioContext();
  audio.onstatechange = () => {
    soundAllowed.value = audio?.state === 'running';
  };
  await audio.resume().catch(() => undefined);
  soundAllowed.value = audio.state === 'running';
}

// After a reload, the first touch or key allows the sound that was switched on earlier.
for (const event of ['pointerup', 'keydown']) {
  window.addEventListener(event, () => {
    if (soundOn.value && !soundAllowed.value) void allowSound();
  });
}

function play(times: number): void {
  if (!audio || audio.state !== 'running') return;
  for (let repeat = 0; repeat < times; repeat += 1) {
    for (const [index, frequency] of TONES_HZ.entries()) {
      const start = audio.currentTime + repeat * REPEAT_PAUSE_SECONDS + index * TONE_SECONDS;
      playTone(audio, frequency, start);
    }
  }
}

function playTone(context: AudioContext, frequency: number, start: number): void {
  const tone = context.createOscillator();
  const volume = context.createGain();
  tone.frequency.value = frequency;
  // Fades in and out, because a sudden start or end clicks.
  volume.gain.setValueAtTime(0, start);
  volume.gain.linearRampToValueAtTime(VOLUME, start + 0.02);
  volume.gain.linearRampToValueAtTime(0, start + TONE_SECONDS);
  tone.connect(volume).connect(context.destination);
  tone.start(start);
  tone.stop(start + TONE_SECONDS);
}
