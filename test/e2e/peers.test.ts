/**
 * What depends most on the version of Node: its datagram sockets, the native part that was built with the headers of
 * another one, and its loader of modules.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCommand } from '../support/daemon.ts';
import { built, UdpPeer, UnixPeer } from '../support/dgram-peer.ts';
import { type Client, LIBRARIES } from './clients.ts';
import { scenario } from './scenario.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ws-e2e-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

test('the native part is built, or half of what follows would say nothing', () => {
  expect(built).toBe(true);
});

/** Sends a client's name and then so many numbers, and expects each of them back behind the name. */
async function exchange(client: Client, name: string, count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) client.send(`${name} ${i}`);
  for (let i = 0; i < count; i += 1) expect(await client.next()).toBe(`<${name} ${i}>`);
}

describe.each(LIBRARIES)('two clients of $name at once', ({ connect }) => {
  test.each([
    ['UDP', () => UdpPeer.listen()],
    ['Unix datagrams', () => UnixPeer.listen(join(folder, `peer-${Math.random()}`))],
  ])('get their own answers from a peer of %s', async (_kind, listen) => {
    await scenario(async ({ startBridge, afterwards }) => {
      const peer = await listen();
      let running = true;
      afterwards(() => {
        running = false;
        void peer.close();
      });
      const { url } = await startBridge('-c', `host=${peer.address}`);
      const clients = await Promise.all([connect(url), connect(url)]);
      const answering = (async () => {
        for (let i = 0; i < 200 && running; i += 1) {
          const { from, bytes } = await peer.take();
          peer.send(from, `<${bytes}>`);
        }
      })();
      await Promise.all(clients.map((client, i) => exchange(client, `client ${i}`, 100)));
      await answering;
      for (const client of clients) client.close(1000);
      for (const client of clients) expect((await client.closed()).code).toBe(1000);
    })();
  });

  test('get their own answers from a peer on a Unix socket, abstract or not', async () => {
    for (const name of [join(folder, `stream-${Math.random()}`), `@websocksy-${Math.random()}`]) {
      await scenario(async ({ startBridge, afterwards }) => {
        const server = createServer((socket) => {
          socket.on('error', () => {});
          socket.on('data', (bytes) => socket.write(`<${bytes}>`));
        });
        await new Promise<void>((done) => server.listen(name.replace('@', '\0'), done));
        afterwards(() => server.close());
        const { url } = await startBridge('-c', `host=unix://${name}`);
        const clients = await Promise.all([connect(url), connect(url)]);
        for (let round = 0; round < 10; round += 1)
          await Promise.all(clients.map((client, i) => exchange(client, `${name} ${i}`, 1)));
        for (const client of clients) client.close(1000);
      })();
    }
  });
});

describe('a framing of a stranger', () => {
  const source = (types: string) =>
    `export default { apiVersion: 1, kind: 'framing', name: 'mine', configure: () => () => ({ type: 'binary'${types}, next: (buffer, start, end) => end - start }) };\n`;

  test('is loaded from a package that can only be imported, without a warning', async () => {
    const home = join(folder, 'node_modules/mine');
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, 'package.json'), '{ "name": "mine", "exports": { "import": "./mine.mjs" } }');
    writeFileSync(join(home, 'mine.mjs'), source(''));
    const file = join(folder, 'package.conf');
    writeFileSync(file, '[backend]\nframing = mine\n');
    const { code, stdout, stderr } = await runCommand(['--check', file]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('framing = mine\n');
  });

  test('is loaded from TypeScript where this Node strips types, else refused with what to do', async () => {
    const file = resolve(folder, 'mine.ts');
    writeFileSync(file, source(' as const'));
    const { code, stderr } = await runCommand(['--check', '-c', `framing=${file}`]);
    if ((process.features as { typescript?: unknown }).typescript) {
      expect(stderr.split('\n').filter((line) => line.startsWith('websocksy:'))).toEqual([]);
      expect(code).toBe(0);
    } else {
      expect(code).toBe(2);
      expect(stderr).toMatch(/does not strip types: use 22\.18 or later, or compile/);
    }
  });
});
