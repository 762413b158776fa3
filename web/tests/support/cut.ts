// A connection between browser and server that can be cut and restored.

import { createServer, connect, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

export interface Line {
  url: string;
  cut: () => void;
  /** Accepts connections and bytes, and forwards nothing. */
  freeze: () => void;
  /** Forwards nothing on open event streams. With `later`, it also applies to streams that open later. */
  deafen: (also: 'now' | 'later') => void;
  mend: () => void;
  close: () => void;
}

export async function line(to: string): Promise<Line> {
  const target = new URL(to);
  const port = Number(target.port || 80);
  const sockets = new Set<Socket>();
  let isCut = false;
  let isFrozen = false;
  const streams = new Set<Socket>();
  let isDeaf = false;
  const server = createServer((near) => {
    if (isCut) {
      near.destroy();
      return;
    }
    const far = connect(port, target.hostname);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        streams.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    if (isFrozen) return;
    near.pipe(far).pipe(near);
    near.on('data', (bytes: Buffer) => {
      if (!bytes.includes('/events')) return;
      streams.add(far);
      if (isDeaf) far.unpipe().pause();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port: own } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${own}`,
    cut: () => {
      isCut = true;
      for (const socket of sockets) socket.destroy();
    },
    freeze: () => {
      isFrozen = true;
      for (const socket of sockets) socket.unpipe().pause();
    },
    deafen: (also) => {
      isDeaf = also === 'later';
      for (const stream of streams) stream.unpipe().pause();
    },
    mend: () => {
      isCut = false;
      isFrozen = false;
      isDeaf = false;
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
