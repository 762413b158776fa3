// The id of a frame: `<epoch>-<ms>-<seq>`.

export interface Position {
  epoch: bigint;
  ms: bigint;
  seq: bigint;
}

export function parsePosition(id: string): Position | null {
  const parts = /^(\d+)-(\d+)-(\d+)$/.exec(id);
  if (!parts) return null;
  return { epoch: BigInt(parts[1]), ms: BigInt(parts[2]), seq: BigInt(parts[3]) };
}

/** Whether changes at `next` may be applied to a map at position `here`. */
export function follows(next: Position, here: Position): boolean {
  if (next.epoch !== here.epoch) return false;
  return next.ms === here.ms ? next.seq >= here.seq : next.ms > here.ms;
}
