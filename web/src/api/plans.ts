// One function for each call about the plans of sites, for organisers.

import { requestAsUser } from './session';
import type { ImportView, SitePlan, SiteSummary } from './types';

export type PlanForm = 'pretix' | 'csv' | 'seatsio';

export interface ImportInput {
  text: string;
  name?: string;
  /** Distance of neighbours in metres. */
  spacing?: number;
}

/** Reads the plan of another program. Nothing is stored. */
export const importPlan = (form: PlanForm, body: ImportInput) =>
  requestAsUser<ImportView>(`/api/admin/sites/import?from=${form}`, { method: 'POST', body, harmless: true });

export const fetchSites = async () =>
  (await requestAsUser<{ sites: SiteSummary[] }>('/api/admin/sites')).sites;

export const createSite = (body: SitePlan, key: string) =>
  requestAsUser<SiteSummary>('/api/admin/sites', { method: 'POST', body, key });

export const replaceSite = (site: string, body: SitePlan, key: string) =>
  requestAsUser<SiteSummary>(`/api/admin/sites/${site}`, { method: 'PUT', body, key });
