// The import of a plan: the chosen file, what the server has read in it, and where it is saved.

import { computed, signal } from '@preact/signals';
import { newKey } from '../api/endpoints';
import { createSite, importPlan, replaceSite, type ImportInput, type PlanForm } from '../api/plans';
import { asProblem } from '../api/problem';
import { onOtherUser, user } from '../api/session';
import type { ImportView, PlanFault, SitePlan, SiteSummary } from '../api/types';

/** The largest body that the server takes. */
const BYTES_MAX = 4 * 1024 * 1024;

/** Why the browser does not send a file. */
export interface FileFault {
  fault: 'tooLarge' | 'notUtf8' | 'unreadable';
}

export type Result =
  | { kind: 'plan'; plan: SitePlan; notes: string[] }
  | { kind: 'faults'; faults: PlanFault[] }
  | { kind: 'refused'; error: unknown }
  | ({ kind: 'file' } & FileFault)
  | { kind: 'saved'; site: SiteSummary };

const role = computed(() => user.value?.role);
/** Whether somebody may create sites, and not only replace the plans of theirs. */
export const mayCreate = computed(() => role.value === 'ADMIN');
export const mayImport = computed(() => mayCreate.value || role.value === 'ORGANISER');

export const form = signal<PlanForm>('csv');
export const result = signal<Result | null>(null);
export const reading = signal(false);
export const saving = signal(false);
export const saveError = signal<unknown>(null);

/** The text of the chosen file, or why the browser does not send it. */
let chosen: Promise<string | FileFault> | null = null;
/** Increases with each change of the form, so that late results of an earlier one can be dropped. */
let turn = 0;
/** A repeated call with this key saves nothing twice. */
let saveKey = '';

export function startAgain(): void {
  chosen = null;
  changed();
}

onOtherUser(startAgain);

/** What was read does not belong to the form any more. */
export function changed(): void {
  turn += 1;
  reading.value = false;
  result.value = null;
  draftChanged();
}

/** What is saved next is not what was tried before. */
export function draftChanged(): void {
  saveError.value = null;
  saveKey = newKey();
}

/** Takes over a file, and guesses its form. */
export async function takeFile(file: File | undefined): Promise<void> {
  startAgain();
  if (!file) return;
  chosen = textOf(file);
  const mine = turn;
  const read = await chosen;
  if (mine !== turn) return;
  if (typeof read === 'string') form.value = formOf(read);
  else result.value = { kind: 'file', fault: read.fault };
}

async function textOf(file: File): Promise<string | FileFault> {
  if (file.size > BYTES_MAX) return { fault: 'tooLarge' };
  let bytes: ArrayBuffer;
  try {
    bytes = await file.arrayBuffer();
  } catch {
    // It was moved or deleted meanwhile.
    return { fault: 'unreadable' };
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return { fault: 'notUtf8' };
  }
}

function formOf(read: string): PlanForm {
  if (!/^\s*[{[]/.test(read)) return 'csv';
  return /"zones"\s*:/.test(read) ? 'pretix' : 'seatsio';
}

/** Sends the file to the server, which reads it and stores nothing. */
export async function readPlan(name: string, spacing: number | undefined): Promise<void> {
  if (reading.value || !chosen) return;
  changed();
  reading.value = true;
  const mine = turn;
  const read = await chosen.then((text) => resultFor(text, name, spacing));
  if (mine !== turn) return;
  reading.value = false;
  result.value = read;
}

async function resultFor(text: string | FileFault, name: string, spacing: number | undefined): Promise<Result> {
  if (typeof text !== 'string') return { kind: 'file', ...text };
  const body: ImportInput = { text, name: name || undefined, spacing };
  // Quotes and line ends are longer in the body than in the file.
  if (new Blob([JSON.stringify(body)]).size > BYTES_MAX) return { kind: 'file', fault: 'tooLarge' };
  return importPlan(form.value, body).then(resultOf, (error: unknown) => ({ kind: 'refused', error }));
}

function resultOf({ plan, notes, faults }: ImportView): Result {
  return plan ? { kind: 'plan', plan, notes } : { kind: 'faults', faults };
}

/** Saves a plan as a new site, or as the plan of a site. */
export async function savePlan(plan: SitePlan, site: string | null): Promise<void> {
  if (saving.value) return;
  saving.value = true;
  saveError.value = null;
  try {
    const saved = site ? await replaceSite(site, plan, saveKey) : await createSite(plan, saveKey);
    result.value = { kind: 'saved', site: saved };
  } catch (error) {
    saveError.value = error;
  } finally {
    saving.value = false;
  }
}

/** The places that a refusal names. */
export function faultsOf(error: unknown): PlanFault[] {
  const { errors = [] } = asProblem(error).members;
  return errors.map(({ field, message }) => ({ pointer: field, message }));
}
