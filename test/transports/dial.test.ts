/**
 * Dialling over real loopback sockets. Which addresses a name has is injected; what they do is real: 127.0.0.x are
 * all this machine, so that one port can be served on one of them, refused on a second and silent on a third.
 */
import { getEventListeners } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Fault } from '../../src/errors.ts';
import { type DialOptions, dial } from '../../src/transports/dial.ts';
import { createResolver, type Resolver } from '../../src/transports/resolve.ts';
import { HIGH_WATER } from '../../src/transports/stream.ts';
import type { Transport } from '../../src/transports/transport.ts';
import {
  connecting,
  hasIPv6,
  Listener,
  RecordingHandler,
  roundTrips,
  silentListener,
  until,
} from '../support/sockets.ts';

const ALIVE = '127.0.0.3';
const SILENT = '127.0.0.4';
const REFUSING = ['127.0.0.5', '127.0.0.6', '127.0.0.7'] as const;
const linux = process.platform === 'linux';

const options: DialOptions = {
  resolver: createResolver({ lookup: async (host) => Promise.reject(new Error(`asked for ${host}`)) }),
  dialTimeout: 15_000,
  closeTimeout: 10_000,
  stallTimeout: 10_000,
};

const never = new AbortController().signal;
const opened: Transport[] = [];

afterEach(() => {
  for (const transport of opened.splice(0)) transport.destroy();
});

async function dialTo(
  host: string,
  port: number,
  changes: Partial<DialOptions> = {},
  signal = never,
): Promise<Transport> {
  const transport = await dial({ kind: 'tcp', host, port }, { ...options, ...changes }, signal);
  opened.push(transport);
  return transport;
}

/** Dials a name that has these addresses. */
function dialName(addresses: readonly string[], port: number, changes: Partial<DialOptions> = {}) {
  return dialTo('peer.example', port, { resolver: () => addresses, ...changes });
}

async function faultOf(promise: Promise<unknown>): Promise<Fault> {
  const error = await promise.then(
    () => 'nothing',
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Fault);
  return error as Fault;
}

/** Proves that the transport leads to the other end: bytes go both ways. */
async function expectReaches(transport: Transport, listener: Listener): Promise<void> {
  const handler = new RecordingHandler();
  transport.start(handler);
  const far = await listener.accept();
  far.on('data', (bytes) => far.write(bytes));
  transport.write(Buffer.from('hello'), 2);
  await handler.until('bytes');
  expect(handler.data.toString()).toBe('hello');
}

describe('a peer that answers', () => {
  test('is reached at an IPv4 address', async () => {
    await using listener = await Listener.on('127.0.0.1');
    await expectReaches(await dialTo('127.0.0.1', listener.port), listener);
  });

  test('is reached at [::1]', async ({ skip }) => {
    if (!(await hasIPv6())) skip('this machine has no IPv6');
    await using listener = await Listener.on('::1');
    await expectReaches(await dialTo('::1', listener.port), listener);
  });

  test('is reached at localhost, in whichever family it listens', async ({ skip }) => {
    await using four = await Listener.on('127.0.0.1');
    await expectReaches(await dialTo('localhost', four.port), four);
    if (!(await hasIPv6())) skip('this machine has no IPv6');
    await using six = await Listener.on('::1');
    await expectReaches(await dialTo('localhost', six.port), six);
  });

  test('is reached when the name takes its time', async () => {
    await using listener = await Listener.on(ALIVE);
    const resolver: Resolver = () => new Promise((resolve) => setImmediate(resolve, [ALIVE]));
    await expectReaches(await dialName([], listener.port, { resolver }), listener);
  });

  test('is a stream that takes bytes after the other side has ended', async () => {
    await using listener = await Listener.on(ALIVE);
    const transport = await dialTo(ALIVE, listener.port);
    expect(transport.kind).toBe('stream');
    const handler = new RecordingHandler();
    transport.start(handler);
    const far = await listener.accept();
    far.end();
    await handler.until('end');
    transport.write(Buffer.from('after the end'), 2);
    const chunks: Buffer[] = [];
    far.on('data', (chunk) => chunks.push(chunk));
    await until('the bytes', () => Buffer.concat(chunks).toString() === 'after the end');
    expect(handler.count('close')).toBe(0);
  });

  test('feels backpressure at the mark of the transport: full means that a drain will come', async () => {
    await using listener = await Listener.on(ALIVE);
    const transport = await dialTo(ALIVE, listener.port);
    const handler = new RecordingHandler();
    transport.start(handler);
    const far = await listener.accept();
    const chunk = Buffer.alloc(HIGH_WATER / 2);
    while (transport.write(chunk, 2));
    expect(handler.count('drain')).toBe(0);
    far.resume();
    await handler.until('drain');
  });

  test('gets small writes without delay: TCP_NODELAY is set', async ({ skip }) => {
    await using listener = await Listener.on(ALIVE);
    // The option cannot be read back; what can be watched is Node's own call, which goes through.
    const probe = connect(listener.port, ALIVE) as { _handle?: { setNoDelay?: unknown } } & ReturnType<
      typeof connect
    >;
    const handle = probe._handle && Object.getPrototypeOf(probe._handle);
    probe.destroy();
    if (typeof handle?.setNoDelay !== 'function') skip('Node has no such internals any more');
    const setNoDelay = vi.spyOn(handle, 'setNoDelay');
    try {
      await dialTo(ALIVE, listener.port);
      expect(setNoDelay.mock.calls).toEqual([[true]]);
    } finally {
      setNoDelay.mockRestore();
    }
  });
});

describe('the echo peer', () => {
  test('is there at once, without a look-up', async () => {
    const transport = await dial({ kind: 'echo' }, options, never);
    expect(transport.kind).toBe('message');
  });
});

describe('a name with several addresses', () => {
  test('goes on at once when an address refuses: thirty of them cost no delay each', async () => {
    await using listener = await Listener.on(ALIVE);
    const refusing = Array.from({ length: 31 }, (_, i) => `127.0.1.${i + 1}`);
    // 31 delays of 250 ms would take 7.75 s.
    const transport = await dialName([...refusing, ALIVE], listener.port, { dialTimeout: 5_000 });
    await expectReaches(transport, listener);
  });

  test('is tried at 32 addresses, no more', async () => {
    await using listener = await Listener.on(ALIVE);
    const refusing = Array.from({ length: 32 }, (_, i) => `127.0.1.${i + 1}`);
    const fault = await faultOf(dialName([...refusing, ALIVE], listener.port));
    expect(fault.code).toBe('dial-failed');
    expect(String(fault.details['errors']).split(', ')).toHaveLength(32);
    expect(listener.accepted).toBe(0);
  });

  test('takes the first address that answers, and asks no other', async () => {
    await using first = await Listener.on(ALIVE);
    await using second = await Listener.on('127.0.0.8', first.port);
    await expectReaches(await dialName([ALIVE, '127.0.0.8'], first.port), first);
    expect(second.accepted).toBe(0);
  });

  test('asks no other later, either, once one has answered', async () => {
    await using first = await Listener.on(ALIVE);
    await using second = await Listener.on('127.0.0.8', first.port);
    await expectReaches(await dialName([ALIVE, '127.0.0.8'], first.port), first);
    // Set after the one of 250 ms that must be gone, and for longer: it would have come before this one.
    await new Promise((resolve) => setTimeout(resolve, 300));
    await dialTo('127.0.0.8', first.port);
    await second.accept();
    expect(second.accepted).toBe(1);
  });

  test.runIf(linux)('overtakes a first address that is silent after 250 ms, and drops it', async () => {
    await using silent = await silentListener(SILENT);
    await using listener = await Listener.on(ALIVE, silent.port);
    const began = performance.now();
    const transport = await dialName([SILENT, ALIVE], silent.port);
    // RFC 8305 §8; timers may come a little early, never much.
    expect(performance.now() - began).toBeGreaterThan(245);
    await expectReaches(transport, listener);
    expect(connecting(SILENT, silent.port)).toBe(0);
  });

  test.runIf(linux)(
    'goes on at once when an address refuses, but the delay after the next one is whole',
    async () => {
      await using silent = await silentListener(SILENT);
      await using _other = await silentListener('127.0.0.9', silent.port);
      await using listener = await Listener.on(ALIVE, silent.port);
      const began = performance.now();
      const transport = await dialName([REFUSING[0], SILENT, '127.0.0.9', ALIVE], silent.port);
      // Two silent ones of 250 ms each. The delay that the refusal cut short must not go on for one behind.
      expect(performance.now() - began).toBeGreaterThan(490);
      await expectReaches(transport, listener);
    },
  );

  test.runIf(linux)('does not give up a silent address: it wins if it alone answers later', async () => {
    await using silent = await silentListener(SILENT);
    const dialled = dialName([SILENT, REFUSING[0]], silent.port);
    // Node's own autoSelectFamily would have dropped the attempt after 250 ms.
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(connecting(SILENT, silent.port)).toBe(1);
    silent.release();
    const handler = new RecordingHandler();
    (await dialled).start(handler);
    await handler.until('bytes');
    expect(handler.data.toString()).toBe('late');
  });

  test.runIf(linux)(
    'starts the third attempt when the second has failed, while the first is silent',
    async () => {
      await using silent = await silentListener(SILENT);
      await using listener = await Listener.on(ALIVE, silent.port);
      const transport = await dialName([SILENT, REFUSING[0], ALIVE], silent.port);
      await expectReaches(transport, listener);
      expect(connecting(SILENT, silent.port)).toBe(0);
    },
  );
});

describe('a dial that fails', () => {
  /** A port that is held on one address, so that nobody can be given it on all of them. */
  async function refusedPort() {
    const holder = await Listener.on(ALIVE);
    return { port: holder.port, [Symbol.asyncDispose]: () => holder[Symbol.asyncDispose]() };
  }

  test('everywhere is a dial-failed, with the peer and every error for the log alone', async () => {
    await using refused = await refusedPort();
    const { port } = refused;
    const fault = await faultOf(dialName(REFUSING, port));
    expect(fault).toMatchObject({
      code: 'dial-failed',
      status: 502,
      message: 'peer unreachable',
      details: {
        peer: `tcp://peer.example:${port}`,
        errors: REFUSING.map((host) => `${host}:${port}: ECONNREFUSED`).join(', '),
      },
    });
  });

  test('at [::1] names it in brackets', async ({ skip }) => {
    if (!(await hasIPv6())) skip('this machine has no IPv6');
    await using refused = await refusedPort();
    const fault = await faultOf(dialTo('::1', refused.port));
    expect(fault.details).toEqual({
      peer: `tcp://[::1]:${refused.port}`,
      errors: `[::1]:${refused.port}: ECONNREFUSED`,
    });
  });

  test('because the name has no address is a dial-failed', async () => {
    expect(await faultOf(dialName([], 80))).toMatchObject({ code: 'dial-failed' });
  });

  test('because the look-up fails is a dial-failed with its message', async () => {
    const resolver: Resolver = () => Promise.reject(new Error('getaddrinfo ENOTFOUND peer.example'));
    expect(await faultOf(dialTo('peer.example', 80, { resolver }))).toMatchObject({
      code: 'dial-failed',
      details: { peer: 'tcp://peer.example:80', errors: 'getaddrinfo ENOTFOUND peer.example' },
    });
  });

  test('because the look-up never answers is a dial-timeout', async () => {
    const resolver: Resolver = () => new Promise(() => {});
    expect(await faultOf(dialTo('peer.example', 80, { resolver, dialTimeout: 20 }))).toMatchObject({
      code: 'dial-timeout',
      status: 504,
      details: { peer: 'tcp://peer.example:80', errors: 'no answer' },
    });
  });

  test('before the look-up answers connects to nobody afterwards', async () => {
    await using listener = await Listener.on(ALIVE);
    let answer: (addresses: readonly string[]) => void = () => {};
    const resolver: Resolver = () =>
      new Promise((resolve) => {
        answer = resolve;
      });
    await faultOf(dialTo('peer.example', listener.port, { resolver, dialTimeout: 20 }));
    answer([ALIVE]);
    await roundTrips();
    // The queue of a listener is in order: if the late one had connected, it would stand before this one.
    await dialTo(ALIVE, listener.port);
    await listener.accept();
    expect(listener.accepted).toBe(1);
  });

  test.runIf(linux)('because nobody answers is a dial-timeout, and no attempt is left', async () => {
    await using silent = await silentListener(SILENT);
    const fault = await faultOf(dialTo(SILENT, silent.port, { dialTimeout: 300 }));
    expect(fault).toMatchObject({ code: 'dial-timeout', details: { errors: 'no answer' } });
    await until('the attempt to end', () => connecting(SILENT, silent.port) === 0);
  });

  test.runIf(linux).concurrent('by time tells what had gone wrong until then', async () => {
    await using silent = await silentListener(SILENT);
    const fault = await faultOf(dialName([REFUSING[0], SILENT], silent.port, { dialTimeout: 2_000 }));
    expect(fault.code).toBe('dial-timeout');
    expect(fault.details['errors']).toBe(`${REFUSING[0]}:${silent.port}: ECONNREFUSED`);
  });

  test
    .runIf(linux)
    .concurrent('waits for an attempt that is alive when the last address has refused', async () => {
      await using silent = await silentListener(SILENT);
      const fault = await faultOf(dialName([SILENT, REFUSING[0]], silent.port, { dialTimeout: 2_000 }));
      // Had it given up with the refusal, this would be dial-failed.
      expect(fault.code).toBe('dial-timeout');
      expect(fault.details['errors']).toBe(`${REFUSING[0]}:${silent.port}: ECONNREFUSED`);
    });
});

describe('a dial that is not wanted any more', () => {
  const reason = new Fault('client-vanished');

  test('before it began does not even give the echo', async () => {
    await expect(dial({ kind: 'echo' }, options, AbortSignal.abort(reason))).rejects.toBe(reason);
  });

  test('before it began asks nobody, and rejects with the reason', async () => {
    await using listener = await Listener.on(ALIVE);
    const resolver = vi.fn<Resolver>(() => [ALIVE]);
    const dialled = dialTo('peer.example', listener.port, { resolver }, AbortSignal.abort(reason));
    expect(await faultOf(dialled)).toBe(reason);
    expect(resolver).not.toHaveBeenCalled();
    expect(listener.accepted).toBe(0);
  });

  test('during the look-up rejects with the reason, and leaves no timer behind', async () => {
    const controller = new AbortController();
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    const resolver: Resolver = () => new Promise(() => {});
    const dialled = dialTo('peer.example', 80, { resolver }, controller.signal);
    expect(timers()).toBe(before + 1);
    controller.abort(reason);
    expect(timers()).toBe(before);
    expect(await faultOf(dialled)).toBe(reason);
  });

  test('while it connects ends the connection: the peer sees it end', async () => {
    await using listener = await Listener.on(ALIVE);
    const controller = new AbortController();
    const dialled = dialTo(ALIVE, listener.port, {}, controller.signal);
    // Node begins to connect in the next tick; on loopback the kernels are done before Node hears of it.
    await new Promise<void>((resolve) => process.nextTick(resolve));
    controller.abort(reason);
    expect(await faultOf(dialled)).toBe(reason);
    const far = await listener.accept();
    far.resume();
    await until('the end', () => far.readableEnded || far.destroyed);
  });

  test.runIf(linux)('while nobody answers drops every attempt', async () => {
    await using silent = await silentListener(SILENT);
    await using other = await silentListener('127.0.0.9', silent.port);
    const controller = new AbortController();
    const resolver: Resolver = () => [SILENT, '127.0.0.9'];
    const dialled = dialTo('peer.example', silent.port, { resolver }, controller.signal);
    await until(
      'both attempts',
      () => connecting(SILENT, silent.port) + connecting('127.0.0.9', other.port) === 2,
    );
    controller.abort(reason);
    expect(await faultOf(dialled)).toBe(reason);
    await until(
      'both attempts to end',
      () => connecting(SILENT, silent.port) + connecting('127.0.0.9', other.port) === 0,
    );
  });

  test('after it has connected changes nothing', async () => {
    await using listener = await Listener.on(ALIVE);
    const controller = new AbortController();
    const transport = await dialTo(ALIVE, listener.port, {}, controller.signal);
    // The signal outlives the dial, and must not hold what the dial held.
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
    controller.abort(reason);
    await expectReaches(transport, listener);
  });
});
