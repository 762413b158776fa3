// Event streams that a test feeds, in the place of those of the server.

declare global {
  interface Window {
    /** Sends an event to every open stream, and to those that open later. */
    feed: (name: string, data: unknown, id?: string) => void;
    /** Is told the path of each stream that opens. */
    onStream?: (path: string) => void;
  }
}

/** For `addInitScript`, so it uses nothing from outside. */
export function fakeStreams(): void {
  type Controller = ReadableStreamDefaultController<Uint8Array>;
  const open = new Set<Controller>();
  const last: Record<string, Uint8Array> = {};
  const real = window.fetch.bind(window);
  window.fetch = (input, init) => {
    const { pathname } = new URL(input instanceof Request ? input.url : input, location.href);
    if (!pathname.endsWith('/events')) return real(input, init);
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        open.add(controller);
        init?.signal?.addEventListener('abort', () => open.delete(controller));
        for (const frame of Object.values(last)) controller.enqueue(frame);
      },
    });
    window.onStream?.(pathname);
    return Promise.resolve(new Response(body, { headers: { 'Content-Type': 'text/event-stream' } }));
  };
  window.feed = (name, data, id = '') => {
    const frame = `event: ${name}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`;
    last[name] = new TextEncoder().encode(frame);
    for (const controller of open) controller.enqueue(last[name]);
  };
}
