import { computed, effect, signal } from '@preact/signals';
import { asProblem } from '../api/problem';
import { en } from './en';
import { ko, type Text } from './ko';
import { sentenceOf, type Place } from './problems';

export type { Place };

export type Language = 'ko' | 'en';

const STORED = 'grandstand.language';

export const language = signal<Language>(firstLanguage());
export const text = computed<Text>(() => (language.value === 'ko' ? ko : en));

effect(() => {
  document.documentElement.lang = language.value;
});

export function switchLanguage(): void {
  language.value = language.value === 'ko' ? 'en' : 'ko';
  localStorage.setItem(STORED, language.value);
}

/** The sentence for an error, in the language of the page. `place` says what the fan was doing. */
export function sentenceFor(error: unknown, place?: Place): string {
  return sentenceOf(text.value.problems, asProblem(error).code, place);
}

function firstLanguage(): Language {
  const stored = localStorage.getItem(STORED);
  if (stored === 'ko' || stored === 'en') return stored;
  return navigator.languages.some((tag) => tag.toLowerCase().startsWith('ko')) ? 'ko' : 'en';
}
