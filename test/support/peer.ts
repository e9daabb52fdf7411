/** Peers that a daemon cannot get through to, and a framing that a test can write in one line. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

/** Listens, tells its port, and then sleeps: the kernel takes two connections for it, and lets all others wait. */
const SLEEPER = `
  const { parentPort } = require('node:worker_threads');
  const server = require('node:net').createServer();
  server.listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
  });
`;

/** A port of 127.0.0.1 whose listener has a full backlog, so that a connect to it stays without an answer. */
export async function unansweringPort(): Promise<{ port: number; release(): Promise<void> }> {
  const worker = new Worker(SLEEPER, { eval: true });
  const port = await new Promise<number>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  const fillers: Socket[] = [];
  let connected = 0;
  await new Promise<void>((resolve) => {
    for (let i = 0; i < 6; i += 1) {
      const socket = connect(port, '127.0.0.1', () => {
        connected += 1;
        if (connected === 2) resolve();
      });
      socket.on('error', () => {});
      fillers.push(socket);
    }
  });
  return {
    port,
    async release() {
      for (const socket of fillers) socket.destroy();
      await worker.terminate();
    },
  };
}

/** Local ports of the connections to `port` that wait for an answer to their SYN (Linux alone tells). */
export function pendingConnects(port: number): number[] {
  const target = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[2] === target && fields[3] === '02')
    .map((fields) => Number.parseInt(fields[1]!.split(':')[1]!, 16));
}

/** Framing plugins as files of a temporary folder, as a stranger would write them. */
export class FramingFolder {
  readonly #folder = mkdtempSync(join(tmpdir(), 'websocksy-framings-'));

  /** @param body of `next(buffer, start, end, scanned, ended)` */
  write(name: string, body: string, type = 'binary'): string {
    const path = join(this.#folder, `${name}.mjs`);
    const next = `next(buffer, start, end, scanned, ended) { ${body} }`;
    writeFileSync(
      path,
      `export default { apiVersion: 1, kind: 'framing', name: '${name}',
        configure() { return () => ({ type: '${type}', ${next} }); } };\n`,
    );
    return path;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }
}
