// A real server: `grandstand dev` with private servers of its own and the demo.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const BINARY = process.env.GRANDSTAND_BIN ?? '../target/debug/grandstand';
const START_MS = 60_000;

export class Server {
  private child: ChildProcess | null = null;

  /** Where its metrics are. For the server of GRANDSTAND_URL another variable says it. */
  operationsUrl = process.env.GRANDSTAND_OPERATIONS_URL ?? 'http://127.0.0.1:9180';

  private constructor(
    readonly url: string,
    private readonly data: string | null,
  ) {}

  /** A server of our own on a free port, or the one that GRANDSTAND_URL names. */
  static async start(): Promise<Server> {
    const given = process.env.GRANDSTAND_URL;
    if (given) return new Server(given, null);
    const data = await mkdtemp(join(tmpdir(), 'grandstand-page-'));
    const server = new Server(`http://127.0.0.1:${await freePort()}`, data);
    await server.run({});
    return server;
  }

  /** The address of its emulator of the gateway. */
  async gatewayUrl(): Promise<string> {
    return `http://127.0.0.1:${await readFile(join(this.data ?? '', 'emulator.port'), 'utf8')}`;
  }

  /** Whether a test may stop and start it. The server of GRANDSTAND_URL must not be stopped. */
  get isOurs(): boolean {
    return this.data !== null;
  }

  /** Starts with the existing data on the same port. */
  async run(settings: Record<string, string>): Promise<void> {
    const listen = new URL(this.url).host;
    const where = ['--listen', listen, '--ops-listen', '127.0.0.1:0'];
    const child = spawn(BINARY, ['dev', '--data', this.data ?? '', ...where], {
      env: {
        ...process.env,
        GRANDSTAND_RATE_LIMITS: 'off',
        // Short, so that a payment with an unknown outcome is settled while a test waits.
        GRANDSTAND_RECONCILE_AFTER_MS: '1000',
        GRANDSTAND_TOSS_TIMEOUT_MS: '1000',
        GRANDSTAND_LOG: 'error,fred=off',
        ...settings,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.child = child;
    const timer = setTimeout(() => child.kill('SIGKILL'), START_MS);
    for await (const line of createInterface({ input: child.stdout })) {
      const operations = /^operations on (.*)$/.exec(line);
      if (operations?.[1]) {
        this.operationsUrl = operations[1];
        clearTimeout(timer);
        child.stdout.resume();
        return;
      }
    }
    throw new Error(`${BINARY} did not start: run "cargo build" first`);
  }

  async stop(): Promise<void> {
    const child = this.child;
    this.child = null;
    if (!child || child.exitCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }

  async end(): Promise<void> {
    await this.stop();
    if (this.data) await rm(this.data, { recursive: true, force: true });
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
