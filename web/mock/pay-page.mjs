// The pay page: in place of the gateway's window, four links with four outcomes.

import { randomUUID } from 'node:crypto';

const OUTCOMES = [
  ['approve', 'Pay'],
  ['declined', 'Pay with a card that is declined'],
  ['unknown', 'Pay, but the answer is lost'],
  ['paused', 'Pay while payments are paused'],
];

export function payPage(query) {
  const orderId = query.get('orderId');
  const amount = query.get('amount');
  const links = OUTCOMES.map(([outcome, text]) => {
    const success = new URL(query.get('successUrl'));
    const proof = { paymentType: 'NORMAL', orderId, paymentKey: `${outcome}-${randomUUID()}`, amount };
    for (const [name, value] of Object.entries(proof)) success.searchParams.set(name, value);
    return `<p><a id="${outcome}" href="${escape(success.href)}">${text}</a></p>`;
  });
  const fail = new URL(query.get('failUrl'));
  fail.searchParams.set('code', 'PAY_PROCESS_CANCELED');
  fail.searchParams.set('message', '사용자가 결제를 취소했습니다');
  fail.searchParams.set('orderId', orderId);
  links.push(`<p><a id="cancel" href="${escape(fail.href)}">Cancel</a></p>`);
  return `<!doctype html><title>Pay</title><h1>${escape(amount)} KRW</h1>${links.join('')}`;
}

const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');
