import { computed, effect, signal } from '@preact/signals';

export type Theme = 'light' | 'dark';

const STORED = 'grandstand.theme';
const systemDark = matchMedia('(prefers-color-scheme: dark)');
const system = signal<Theme>(systemDark.matches ? 'dark' : 'light');
const chosen = signal<Theme | null>(storedTheme());

export const theme = computed<Theme>(() => chosen.value ?? system.value);

systemDark.addEventListener('change', () => {
  system.value = systemDark.matches ? 'dark' : 'light';
});

effect(() => {
  document.documentElement.dataset.theme = theme.value;
});

export function switchTheme(): void {
  chosen.value = theme.value === 'dark' ? 'light' : 'dark';
  localStorage.setItem(STORED, chosen.value);
}

function storedTheme(): Theme | null {
  const stored = localStorage.getItem(STORED);
  return stored === 'light' || stored === 'dark' ? stored : null;
}
