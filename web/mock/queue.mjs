// A waiting room that admits one ticket every `STEP_MS`, for development.

const STEP_MS = Number(process.env.QUEUE_STEP_MS ?? 400);
const AHEAD = Number(process.env.QUEUE_AHEAD ?? 18);
const PASS_MS = 600_000;

export class WaitingRoom {
  constructor() {
    this.serving = 1200;
    this.last = 1200;
    this.tickets = new Map();
    this.listeners = new Set();
    setInterval(() => this.step(), STEP_MS).unref();
  }

  step() {
    if (this.serving >= this.last) return;
    this.serving += 1;
    for (const send of this.listeners) send('serving', this.frame());
  }

  frame() {
    const waiting = Math.max(0, this.last - this.serving);
    const perMinute = Math.round(60_000 / STEP_MS);
    return { serving: this.serving, waiting, admittedPerMinute: perMinute, eta: this.eta(waiting), soldOut: false };
  }

  eta(ahead) {
    const seconds = (ahead * STEP_MS) / 1000;
    return { p50Seconds: Math.ceil(seconds), p90Seconds: Math.ceil(seconds * 1.6) };
  }

  join(user) {
    if (!this.tickets.has(user)) {
      // Invented people stand before the newcomer, so that there is a line to see.
      this.last = Math.max(this.last, this.serving) + AHEAD + 1;
      this.tickets.set(user, { number: this.last, passExpiresAt: null });
    }
    return this.place(user);
  }

  place(user) {
    const ticket = this.tickets.get(user);
    if (!ticket) return null;
    const { serving } = this;
    if (serving >= ticket.number) {
      ticket.passExpiresAt ??= new Date(Date.now() + PASS_MS).toISOString();
      const { passExpiresAt } = ticket;
      return { state: 'ADMITTED', number: null, serving, ahead: 0, eta: null, passExpiresAt };
    }
    const ahead = ticket.number - serving - 1;
    const { number } = ticket;
    return { state: 'WAITING', number, serving, ahead, eta: this.eta(ahead), passExpiresAt: null };
  }

  mayBuy(user) {
    return this.place(user)?.state === 'ADMITTED';
  }

  leave(user) {
    this.tickets.delete(user);
  }

  listen(send) {
    this.listeners.add(send);
    send('serving', this.frame());
    return () => this.listeners.delete(send);
  }
}
