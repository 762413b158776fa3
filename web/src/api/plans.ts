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

/** All sites, the oldest first. */
export async function fetchSites(): Promise<SiteSummary[]> {
  const sites: SiteSummary[] = [];
  let cursor: string | null | undefined;
  do {
    const query = cursor ? `&cursor=${encodeURIComponent(cursor)}` : '';
    const page = await requestAsUser<SitePage>(`/api/admin/sites?limit=100${query}`);
    sites.push(...page.sites);
    cursor = page.nextCursor;
  } while (cursor);
  return sites;
}

interface SitePage {
  sites: SiteSummary[];
  nextCursor?: string | null;
}

export const createSite = (body: SitePlan, key: string) =>
  requestAsUser<SiteSummary>('/api/admin/sites', { method: 'POST', body, key });

export const replaceSite = (site: string, body: SitePlan, key: string) =>
  requestAsUser<SiteSummary>(`/api/admin/sites/${site}`, { method: 'PUT', body, key });
