// Invented fans who take, buy and give back seats, so that the map lives during development.

const TICK_MS = 100;

export function startFans(seats, perTick) {
  const ids = [...seats.seats.keys()];
  const pick = () => ids[Math.floor(Math.random() * ids.length)];
  const held = [];
  setInterval(() => {
    const wanted = Array.from({ length: perTick }, pick);
    const free = wanted.filter((id) => seats.seats.get(id).state === 'AVAILABLE');
    if (free.length > 0) seats.set(free, 'HOLD');
    held.push(...free);
    const done = held.splice(0, Math.max(0, held.length - 400));
    const bought = done.filter(() => Math.random() < 0.3);
    const back = done.filter((id) => !bought.includes(id));
    if (bought.length > 0) seats.set(bought, 'OCCUPIED');
    if (back.length > 0) seats.set(back, 'AVAILABLE');
  }, TICK_MS).unref();
}
