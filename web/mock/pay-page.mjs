// The pay page, in the shape of the gateway emulator's, with two more outcomes.

import { randomUUID } from 'node:crypto';

const CHOICES = {
  approve: 'Pay',
  refused: 'A card that is refused later',
  decline: 'A card that is refused now',
  abandon: 'Give up',
  unknown: 'Pay, but the answer is lost',
  paused: 'Pay while payments are paused',
};

export function payPage(query) {
  const action = (choice) => `/pay/${choice}${query}`.replaceAll('&', '&amp;').replaceAll('"', '&quot;');
  const buttons = Object.entries(CHOICES).map(
    ([choice, text]) => `<p><button formaction="${action(choice)}">${text}</button></p>`,
  );
  return `<!doctype html><title>Pay</title><form method="post">${buttons.join('')}</form>`;
}

/** Where the browser goes after a choice. */
export function afterPay(choice, query) {
  const fail = (code, message) => {
    const url = new URL(query.get('failUrl'));
    url.searchParams.set('code', code);
    url.searchParams.set('message', message);
    return url.href;
  };
  if (choice === 'decline') return fail('REJECT_CARD_COMPANY', '카드사에서 승인을 거절했습니다.');
  if (choice === 'abandon') return fail('PAY_PROCESS_CANCELED', '사용자가 결제를 취소했습니다.');
  const url = new URL(query.get('successUrl'));
  url.searchParams.set('paymentType', 'NORMAL');
  url.searchParams.set('orderId', query.get('orderId'));
  url.searchParams.set('paymentKey', `${choice}-${randomUUID()}`);
  url.searchParams.set('amount', query.get('amount'));
  return url.href;
}
