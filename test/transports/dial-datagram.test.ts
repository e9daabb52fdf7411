/** Dialling peers that are neither TCP nor the echo: what fails, how it is told, and that nothing else does. */
import { spawnSync } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { getEventListeners, once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { Fault } from '../../src/errors.ts';
import type { PeerAddress } from '../../src/transports/address.ts';
import { dial } from '../../src/transports/dial.ts';
import { createResolver, type Resolver } from '../../src/transports/resolve.ts';
import { turns } from '../support/datagram-events.ts';
import { built, refusingUdp, UdpPeer, UnixPeer } from '../support/dgram-peer.ts';
import { fullPath, hasIPv6, Listener, RecordingHandler, until } from '../support/sockets.ts';

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

const linux = process.platform === 'linux';
const ipv6 = await hasIPv6();
interface Settle {
  resolve(addresses: readonly string[]): void;
  reject(error: Error): void;
}

const reason = new Fault('client-vanished');

const descriptors = () => readdirSync('/dev/fd').length;

/** Call this before anything is opened, and the result when all of it should be closed. */
async function watchDescriptors(): Promise<() => Promise<void>> {
  await turns(); // what is being closed still
  const before = descriptors();
  return () => until('the sockets to be closed', () => descriptors() <= before);
}

/** Timers that are set. Vitest sets some, too: compare only what lies within one turn of the loop. */
const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

/** Counts the sockets of streams that this process makes, until the test ends. */
function countSockets(): () => number {
  let made = 0;
  const count = () => {
    made += 1;
  };
  subscribe('net.client.socket', count);
  onTestFinished(() => {
    unsubscribe('net.client.socket', count);
  });
  return () => made;
}

async function udp(host = '127.0.0.1'): Promise<UdpPeer> {
  const peer = await UdpPeer.listen(host);
  onTestFinished(() => peer.close());
  return peer;
}

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

  test('is a stream that takes bytes after the other side has ended', async () => {
    await using listener = await Listener.at(join(folder, 'half'));
    const transport = await dial({ kind: 'unix', path: join(folder, 'half') }, options, never);
    const handler = new RecordingHandler();
    transport.start(handler);
    const far = await listener.accept();
    far.end('last words');
    await handler.until('end');
    expect(handler.data.toString()).toBe('last words');
    const answer = once(far, 'data');
    transport.write(Buffer.from('answer'), 2);
    expect(String((await answer)[0])).toBe('answer');
    transport.destroy();
  });

  test.runIf(linux)('is reached by a path of 107 bytes, and by an abstract name of as many', async () => {
    const path = `${folder}/${'x'.repeat(106 - folder.length)}`;
    const name = `ws-${process.pid}-`.padEnd(106, 'x');
    for (const [bound, dialled] of [
      [path, path],
      [`\0${name}`, `@${name}`],
    ] as const) {
      await using listener = await Listener.at(bound);
      expect(Buffer.byteLength(dialled)).toBe(107);
      const transport = await dial({ kind: 'unix', path: dialled }, options, never);
      await listener.accept();
      transport.destroy();
    }
  });

  test('whose dial is not wanted any more while it connects sees the connection end', async () => {
    await using listener = await Listener.at(join(folder, 'aborted'));
    const controller = new AbortController();
    const dialled = dial({ kind: 'unix', path: join(folder, 'aborted') }, options, controller.signal);
    controller.abort(reason);
    await expect(dialled).rejects.toBe(reason);
    const far = await listener.accept();
    far.resume();
    await until('the end', () => far.readableEnded || far.destroyed);
  });

  test('reached, is no longer held by the signal', async () => {
    await using listener = await Listener.at(join(folder, 'signal'));
    const controller = new AbortController();
    const transport = await dial({ kind: 'unix', path: join(folder, 'signal') }, options, controller.signal);
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
    const handler = new RecordingHandler();
    transport.start(handler);
    controller.abort(reason);
    (await listener.accept()).write('still here');
    await handler.until('bytes');
    transport.destroy();
  });
});

describe.runIf(linux)('a unix:// peer with a full backlog', () => {
  test('is tried again until it accepts', async () => {
    const path = join(folder, 'full-released');
    await using full = await fullPath(path);
    const made = countSockets();
    const dialled = dial({ kind: 'unix', path }, options, never);
    await until('three tries', () => made() >= 3);
    full.release();
    const transport = await dialled;
    const handler = new RecordingHandler();
    transport.start(handler);
    await handler.until('bytes');
    expect(handler.data.toString()).toBe('late');
    transport.destroy();
  });

  test('that never accepts is a dial-timeout, and no socket is left', async () => {
    const path = join(folder, 'full-forever');
    await using _full = await fullPath(path);
    const made = countSockets();
    const closed = await watchDescriptors();
    const failure = await dial({ kind: 'unix', path }, { ...options, dialTimeout: 300 }, never).catch(
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({
      code: 'dial-timeout',
      status: 504,
      details: { peer: `unix://${path}`, errors: 'no answer' },
    });
    expect(made()).toBeGreaterThan(1);
    await closed();
  });

  test('is tried 20 times a second, not in a loop', async () => {
    const path = join(folder, 'full-counted');
    await using _full = await fullPath(path);
    const made = countSockets();
    await errorsOf({ kind: 'unix', path }, { dialTimeout: 500 });
    // One at once, then one per 50 ms; fewer where this machine is busy.
    expect(made()).toBeLessThanOrEqual(12);
  });

  test('is not tried any more when nobody wants it, and no socket is left', async () => {
    const path = join(folder, 'full-aborted');
    await using _full = await fullPath(path);
    const made = countSockets();
    const controller = new AbortController();
    const closed = await watchDescriptors();
    const dialled = dial({ kind: 'unix', path }, options, controller.signal);
    await until('two tries', () => made() >= 2);
    controller.abort(reason);
    await expect(dialled).rejects.toBe(reason);
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
    await closed();
  });
});

describe('a udp:// peer', () => {
  /** A way there is none: broadcast needs a permission that was not asked for; a link-local address, its link. */
  const NO_WAY = ['255.255.255.255', 'fe80::1'];

  /** Sends a message; the peer must be the one to get it. */
  async function expectReaches(peer: UdpPeer, port: number, resolver: Resolver): Promise<void> {
    const transport = await dial(
      { kind: 'udp', host: 'peer.example', port },
      { ...options, resolver },
      never,
    );
    transport.start(new RecordingHandler());
    transport.write(Buffer.from('hello'), 2);
    expect((await peer.take()).bytes.toString()).toBe('hello');
    transport.destroy();
  }

  test('to which there is no way is told with every address and its error', async () => {
    const told = await errorsOf({ kind: 'udp', host: 'x', port: 9 }, { resolver: () => NO_WAY });
    expect(told).toMatch(/^dial-failed: 255\.255\.255\.255: E[A-Z]+, fe80::1: E[A-Z]+$/);
    const alone = await errorsOf({ kind: 'udp', host: 'fe80::1', port: 9 });
    expect(alone).toMatch(/^dial-failed: fe80::1: E[A-Z]+$/);
  });

  test('is reached at the first address that there is a way to: others are passed over', async () => {
    const peer = await udp();
    const closed = await watchDescriptors();
    await expectReaches(peer, peer.port, () => [...NO_WAY, '127.0.0.1']);
    await closed();
  });

  test('is reached at the first of its addresses, if there is a way to all of them', async () => {
    const first = await udp('127.0.0.2');
    await expectReaches(first, first.port, () => ['127.0.0.2', '127.0.0.1', ...NO_WAY]);
  });

  test('that refuses is told by the transport, once', async () => {
    const refusing = await refusingUdp();
    onTestFinished(refusing.release);
    const address = { kind: 'udp', host: '127.0.0.1', port: refusing.port } as const;
    const transport = await dial(address, options, never);
    const handler = new RecordingHandler();
    transport.start(handler);
    transport.write(Buffer.from('anybody there?'), 2);
    await handler.until('close');
    expect(handler.closedWith?.code).toBe('ECONNREFUSED');
    await turns();
    expect(handler.events).toEqual(['close']);
  });

  test('is tried at 32 addresses, no more', async () => {
    const bad = Array.from({ length: 40 }, () => '255.255.255.255');
    const told = await errorsOf({ kind: 'udp', host: 'x', port: 9 }, { resolver: () => bad });
    expect(told.match(/255\.255\.255\.255/g)).toHaveLength(32);
    bad[31] = '127.0.0.1';
    expect(await errorsOf({ kind: 'udp', host: 'x', port: 9 }, { resolver: () => bad })).toBe('reached');
  });

  test('is reached when the name takes its time', async () => {
    const peer = await udp();
    const resolver = createResolver({
      lookup: () => new Promise((resolve) => setImmediate(resolve, ['127.0.0.1'])),
    });
    await expectReaches(peer, peer.port, resolver);
  });

  test('whose name does not resolve is a dial-failed with the code of the look-up', async () => {
    const error = Object.assign(new Error('getaddrinfo ENOTFOUND peer.example'), { code: 'ENOTFOUND' });
    const resolver = createResolver({ lookup: () => Promise.reject(error) });
    const failure = await dial(
      { kind: 'udp', host: 'peer.example', port: 53 },
      { ...options, resolver },
      never,
    ).catch((fault: unknown) => fault);
    expect(failure).toMatchObject({
      code: 'dial-failed',
      status: 502,
      details: { peer: 'udp://peer.example:53', errors: 'ENOTFOUND' },
    });
  });

  test('whose name never resolves is a dial-timeout', async () => {
    const resolver: Resolver = () => new Promise(() => {});
    const failure = await dial(
      { kind: 'udp', host: 'peer.example', port: 53 },
      { ...options, resolver, dialTimeout: 20 },
      never,
    ).catch((fault: unknown) => fault);
    expect(failure).toMatchObject({
      code: 'dial-timeout',
      status: 504,
      details: { peer: 'udp://peer.example:53', errors: 'no answer' },
    });
  });

  test.each([
    ['an address', (settle: Settle) => settle.resolve(['127.0.0.1'])],
    ['an error', (settle: Settle) => settle.reject(new Error('too late'))],
  ])(
    'not wanted any more during the look-up, leaves no timer, and makes nothing of %s',
    async (_what, settle) => {
      let later: Settle | undefined;
      const resolver: Resolver = () =>
        new Promise((resolve, reject) => {
          later = { resolve, reject };
        });
      const controller = new AbortController();
      const closed = await watchDescriptors();
      const timersBefore = timers();
      const address = { kind: 'udp', host: 'peer.example', port: 9 } as const;
      const dialled = dial(address, { ...options, resolver }, controller.signal);
      expect(timers()).toBe(timersBefore + 1);
      controller.abort(reason);
      await expect(dialled).rejects.toBe(reason);
      expect(timers()).toBe(timersBefore);
      expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
      settle(later!);
      await turns();
      await closed();
    },
  );

  test('not wanted any more while it connects leaves no socket', async () => {
    const controller = new AbortController();
    const closed = await watchDescriptors();
    const dialled = dial({ kind: 'udp', host: '127.0.0.1', port: 9 }, options, controller.signal);
    await Promise.resolve();
    await Promise.resolve();
    controller.abort(reason);
    await expect(dialled).rejects.toBe(reason);
    await closed();
  });

  test('without an address is a dial-failed', async () => {
    expect(await errorsOf({ kind: 'udp', host: 'x', port: 9 }, { resolver: () => [] })).toBe(
      'dial-failed: no address',
    );
  });

  test('is limited by what goes over the wire: IPv4 also where it is mapped', async () => {
    for (const [host, maximum] of [
      ['127.0.0.1', 65_507],
      ...(ipv6
        ? ([
            ['::1', 65_527],
            ['::ffff:127.0.0.1', 65_507],
            ['::FFFF:7f00:1', 65_507],
          ] as const)
        : []),
    ] as const) {
      const transport = await dial({ kind: 'udp', host, port: 9 }, options, never);
      expect(transport.maximum).toBe(maximum);
      transport.destroy();
    }
  });

  test('for which no descriptor is left is a descriptors-full, not the end of the process', () => {
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
    expect(run.stdout).toBe('descriptors-full EMFILE\n');
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

  test('reached or not, leaves no timer, and the signal alone', async () => {
    const peer = await UnixPeer.listen(join(folder, 'dgram'));
    onTestFinished(() => peer.close());
    const controller = new AbortController();
    for (const [path, told] of [
      [peer.path, 'reached'],
      [join(folder, 'nobody'), 'dial-failed'],
    ] as const) {
      const before = timers();
      const dialled = dial({ kind: 'unix-dgram', path }, options, controller.signal);
      expect(timers()).toBe(before + 1);
      const outcome = await dialled.then(
        (transport) => {
          transport.destroy();
          return 'reached';
        },
        (fault) => fault.code,
      );
      expect(outcome).toBe(told);
      expect(timers()).toBe(before);
      expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
    }
  });
});
