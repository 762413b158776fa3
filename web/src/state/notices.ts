// Short messages for the fan. Screen readers read them too.

import { signal } from '@preact/signals';
import { asProblem } from '../api/problem';
import { sentenceFor, text, type Place } from '../text';

export interface Notice {
  id: number;
  kind: 'info' | 'good' | 'bad';
  message: string;
  reference?: string;
}

const NOTICE_TTL_MS = 7000;
let nextId = 1;

export const notices = signal<Notice[]>([]);

export function tell(kind: Notice['kind'], message: string, reference?: string): void {
  const notice = { id: nextId, kind, message, reference };
  nextId += 1;
  const others = notices.value.filter((other) => other.message !== message);
  notices.value = [...others.slice(-2), notice];
  setTimeout(() => dismiss(notice.id), NOTICE_TTL_MS);
}

export function tellProblem(error: unknown, place?: Place): void {
  const { requestId } = asProblem(error);
  tell('bad', sentenceFor(error, place), requestId ? text.value.requestId(requestId) : undefined);
}

export function dismiss(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}
