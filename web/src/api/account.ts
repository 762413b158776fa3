// One function for each call about the account of the fan.

import { request } from './http';
import type { LogIn, SecondFactorSetup } from './types';
import { forget, renewUser, requestAsUser } from './session';

export async function fetchLogIns(): Promise<LogIn[]> {
  return (await requestAsUser<{ sessions: LogIn[] }>('/api/users/me/sessions')).sessions;
}

export function endLogIn(id: string): Promise<void> {
  return requestAsUser(`/api/users/me/sessions/${id}`, { method: 'DELETE' });
}

export async function endAllLogIns(): Promise<void> {
  await requestAsUser('/api/users/me/sessions', { method: 'DELETE' });
  forget();
}

export function changePassword(currentPassword: string, newPassword: string): Promise<void> {
  const body = { currentPassword, newPassword };
  return requestAsUser('/api/users/me/password', { method: 'PUT', body });
}

export async function deleteAccount(password: string): Promise<void> {
  await requestAsUser('/api/users/me', { method: 'DELETE', body: { password } });
  forget();
}

export function beginSecondFactor(password: string): Promise<SecondFactorSetup> {
  return requestAsUser('/api/users/me/second-factor', { method: 'POST', body: { password } });
}

export async function setSecondFactor(setup: string, code: string, password: string): Promise<void> {
  const body = { setup, code, password };
  await requestAsUser('/api/users/me/second-factor', { method: 'PUT', body });
  renewUser();
}

export async function removeSecondFactor(password: string, code: string): Promise<void> {
  const body = { password, code };
  await requestAsUser('/api/users/me/second-factor', { method: 'DELETE', body });
  renewUser();
}

export function askVerification(): Promise<void> {
  return requestAsUser('/api/users/me/email-verification', { method: 'POST' });
}

export function verifyEmail(token: string): Promise<void> {
  return request('/api/users/email-verification/confirm', { method: 'POST', body: { token } });
}

export function askReset(email: string): Promise<void> {
  return request('/api/users/password-reset', { method: 'POST', body: { email } });
}

export function resetPassword(token: string, newPassword: string): Promise<void> {
  const body = { token, newPassword };
  return request('/api/users/password-reset/confirm', { method: 'POST', body });
}
