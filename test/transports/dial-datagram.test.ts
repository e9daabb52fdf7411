/** Dialling peers that are neither TCP nor the echo: what fails, how it is told, and that nothing else does. */

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PeerAddress } from '../../src/transports/address.ts';
import { dial } from '../../src/transports/dial.ts';
import { createResolver } from '../../src/transports/resolve.ts';
import { built } from '../support/dgram-peer.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ws-dial-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const never = new AbortController().signal;
const options = { resolver: createResolver(), dialTimeout: 10_000, closeTimeout: 1_000, stallTimeout: 0 };
const errorsOf = (address: PeerAddress, changes = {}) =>
  dial(address, { ...options, ...changes }, never).then(
    () => 'reached',
    (fault) => `${fault.code}: ${fault.details.errors}`,
  );

describe('a unix:// peer', () => {
  test('is reached; one that is not there is told by its code', async () => {
    const server = createServer().listen(join(folder, 's'));
    await once(server, 'listening');
    const transport = await dial({ kind: 'unix', path: join(folder, 's') }, options, never);
    expect(transport.kind).toBe('stream');
    transport.destroy();
    server.close();
    expect(await errorsOf({ kind: 'unix', path: join(folder, 'none') })).toBe('dial-failed: ENOENT');
  });

  test('that is a plain file refuses', async () => {
    writeFileSync(join(folder, 'file'), '');
    expect(await errorsOf({ kind: 'unix', path: join(folder, 'file') })).toBe('dial-failed: ECONNREFUSED');
  });
});

describe('a udp:// peer', () => {
  test('takes the first address that there is a way to', async () => {
    const resolver = () => ['::ffff:1.2.3.4%none', '127.0.0.1'];
    expect(await errorsOf({ kind: 'udp', host: 'x', port: 9 }, { resolver })).toBe('reached');
  });

  test('without an address is a dial-failed', async () => {
    expect(await errorsOf({ kind: 'udp', host: 'x', port: 9 }, { resolver: () => [] })).toBe(
      'dial-failed: no address',
    );
  });

  test('is limited by what goes over the wire: IPv4 also where it is mapped', async () => {
    for (const [host, maximum] of [
      ['127.0.0.1', 65_507],
      ['::ffff:127.0.0.1', 65_507],
    ] as const) {
      const transport = await dial({ kind: 'udp', host, port: 9 }, options, never);
      expect(transport.maximum).toBe(maximum);
      transport.destroy();
    }
  });

  test('for which no descriptor is left is a dial-failed, not the end of the process', () => {
    const url = new URL('../../dist/src/transports/dial.js', import.meta.url).href;
    const program = `
      import { openSync } from 'node:fs';
      const { dial } = await import(${JSON.stringify(url)});
      for (;;) try { openSync('/dev/null'); } catch { break; }
      const options = { resolver: (host) => [host], dialTimeout: 9000, closeTimeout: 1, stallTimeout: 0 };
      await dial({ kind: 'udp', host: '127.0.0.1', port: 9 }, options, new AbortController().signal)
        .catch((fault) => console.log(fault.code, fault.details.errors));`;
    const run = spawnSync(
      'sh',
      ['-c', 'ulimit -n 64; exec "$0" --input-type=module -e "$1"', process.execPath, program],
      {
        encoding: 'utf8',
      },
    );
    expect(run.stdout).toBe('dial-failed 127.0.0.1: EMFILE\n');
    expect(run.status).toBe(0);
  });
});

describe.skipIf(!built)('a unix-dgram:// peer', () => {
  test('that is a stream socket is told as the wrong kind', async () => {
    const server = createServer().listen(join(folder, 'stream'));
    await once(server, 'listening');
    expect(await errorsOf({ kind: 'unix-dgram', path: join(folder, 'stream') })).toBe(
      'dial-failed: EPROTOTYPE',
    );
    server.close();
  });
});
