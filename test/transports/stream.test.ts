/**
 * The stream transport over real loopback sockets, ordinary ones and such as read into slabs. `near` is the transport, `far` the raw socket at the other end; the
 * deadlines are tried by calling `tick` with made-up times.
 */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { SlabPool } from '../../src/slab-pool.ts';
import { SlabSocket } from '../../src/transports/slab-socket.ts';
import { HIGH_WATER, StreamTransport, streamSocket } from '../../src/transports/stream.ts';
import { heapSlabs } from '../support/slabs.ts';
import { Listener, RecordingHandler, roundTrips, until } from '../support/sockets.ts';

const MIB = 1024 * 1024;
/** More than the buffers of both kernels can hold (net.ipv4.tcp_rmem and tcp_wmem, 6 to 37 MiB in practice). */
const MUCH = 64 * MIB;
const CLOSE = 10_000;
const STALL = 300_000;

const open: Listener[] = [];
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const listener of open.splice(0)) await listener[Symbol.asyncDispose]();
});

interface Pair {
  readonly near: StreamTransport;
  readonly socket: Socket;
  readonly far: Socket;
  readonly handler: RecordingHandler;
}

/** Bytes that tell where they belong. */
function pattern(length: number, seed = 0): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i += 1) bytes[i] = (i * 31 + (i >> 8) * 7 + seed) & 0xff;
  return bytes;
}

/** Reads all that comes until the other side ends. */
async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

/** How far the writes have come, parts included; the same measure as the transport's own. */
function progress({ near, socket }: Pair): number {
  const { _handle: handle } = socket as Socket & { _handle?: { writeQueueSize: number } | null };
  return socket.bytesWritten - near.unsent - (handle?.writeQueueSize ?? 0);
}

const KINDS: [string, SlabPool | undefined][] = [
  ['an ordinary socket', undefined],
  ['a slab socket', heapSlabs()],
];

describe.each(KINDS)('over %s:', (_kind, slabs) => {
  async function pair(start = true, stallTimeout = STALL): Promise<Pair> {
    const listener = await Listener.on();
    open.push(listener);
    const socket = streamSocket({ slabs }).connect({ port: listener.port, host: '127.0.0.1' });
    sockets.push(socket);
    await once(socket, 'connect');
    const near = new StreamTransport(socket, { closeTimeout: CLOSE, stallTimeout });
    const handler = new RecordingHandler();
    if (start) near.start(handler);
    return { near, socket, handler, far: await listener.accept() };
  }

  test('the transport is over such a socket', async () => {
    expect((await pair()).socket instanceof SlabSocket).toBe(slabs !== undefined);
  });

  describe('bytes', () => {
    test('go both ways, from before the start too', async () => {
      const { near, handler, far } = await pair(false);
      far.write('early ');
      await roundTrips();
      near.start(handler);
      far.write('late');
      near.write(Buffer.from('to the far side'));
      await until('the bytes', () => handler.received === 10);
      expect(handler.data.toString()).toBe('early late');
      const [bytes] = await once(far, 'data');
      expect(String(bytes)).toBe('to the far side');
    });

    test('of two buffers in one call arrive in order', async () => {
      const { near, far } = await pair();
      expect(near.writeBoth(Buffer.from('header '), Buffer.from('payload'))).toBe(true);
      near.end();
      expect((await readAll(far)).toString()).toBe('header payload');
    });

    test('are unsent until the kernel has them', async () => {
      const { near, far } = await pair();
      near.write(Buffer.alloc(MUCH));
      near.write(Buffer.alloc(5));
      expect(near.unsent).toBe(MUCH + 5);
      far.resume();
      await until('the kernel to take them', () => near.unsent === 0);
    });
  });

  describe('an orderly end', () => {
    test('delivers every byte that was written before the FIN, megabytes of them', async () => {
      const { near, far, handler } = await pair();
      const blocks = Array.from({ length: 16 }, (_, i) => pattern(MIB + i, i));
      for (const block of blocks) near.write(block);
      near.end();
      const received = await readAll(far);
      expect(received.equals(Buffer.concat(blocks))).toBe(true);
      expect(handler.events.filter((event) => event !== 'drain')).toEqual([]);
      far.end();
      await handler.until('close');
      expect(handler.closedWith).toBeUndefined();
    });

    test('takes no more writes: what comes after it is not sent, and asks nobody to wait', async () => {
      const { near, far } = await pair();
      near.write(Buffer.from('before'));
      near.end();
      expect(near.write(Buffer.alloc(2 * HIGH_WATER))).toBe(true);
      near.end();
      expect((await readAll(far)).toString()).toBe('before');
    });

    test.each([
      ['was reading', false],
      ['was paused', true],
    ])(
      'reads and throws away what still arrives, so that the other side can finish, when it %s',
      async (_, paused) => {
        const { near, far, handler } = await pair();
        if (paused) near.pause();
        near.end();
        if (paused) near.pause();
        far.resume();
        // That this ends proves that it was read: it is more than the kernels can hold.
        far.end(Buffer.alloc(MUCH));
        await handler.until('close');
        expect(handler.events).toEqual(['close']);
        expect(handler.closedWith).toBeUndefined();
        expect(far.errored).toBeNull();
      },
    );

    test('of the other side is told once, behind its bytes, and leaves our direction open', async () => {
      const { near, far, handler } = await pair();
      far.end('last words');
      await handler.until('end');
      expect(handler.course).toEqual(['bytes', 'end']);
      expect(handler.data.toString()).toBe('last words');
      near.write(Buffer.from('answer'));
      near.end();
      expect((await readAll(far)).toString()).toBe('answer');
      await handler.until('close');
      expect(handler.course).toEqual(['bytes', 'end', 'close']);
      expect(handler.closedWith).toBeUndefined();
    });

    test('of the other side waits while paused, behind bytes that wait too', async () => {
      const { near, far, handler } = await pair();
      near.pause();
      far.end('last words');
      await roundTrips();
      expect(handler.events).toEqual([]);
      near.resume();
      await handler.until('end');
      expect(handler.data.toString()).toBe('last words');
    });
  });

  describe('a connection that breaks', () => {
    test('is told once, with the error', async () => {
      const { far, handler } = await pair();
      far.resetAndDestroy();
      await handler.until('close');
      expect(handler.closedWith?.code).toBe('ECONNRESET');
      await roundTrips();
      expect(handler.course).toEqual(['close']);
    });

    test('while bytes are queued is told once, and nothing is unsent any more', async () => {
      const { near, far, handler } = await pair();
      near.write(Buffer.alloc(MUCH));
      far.resetAndDestroy();
      await handler.until('close');
      expect(handler.closedWith).toBeInstanceOf(Error);
      expect(near.unsent).toBe(0);
      expect(near.write(Buffer.from('x'))).toBe(true);
      near.end();
      near.destroy();
      near.tick(1e12);
      await roundTrips();
      expect(handler.count('close')).toBe(1);
      expect(handler.count('stall')).toBe(0);
    });

    test('tells how much never went out, however it broke', async () => {
      const reset = await pair();
      expect(reset.near.undelivered).toBe(0);
      reset.near.write(Buffer.alloc(MUCH));
      reset.far.resetAndDestroy();
      await reset.handler.until('close');
      expect(reset.near.undelivered).toBeGreaterThan(0);
      const destroyed = await pair();
      destroyed.near.write(Buffer.alloc(MUCH));
      const { unsent } = destroyed.near;
      destroyed.near.destroy();
      await destroyed.handler.until('close');
      expect(destroyed.near.undelivered).toBe(unsent);
      expect(destroyed.near.unsent).toBe(0);
      const orderly = await pair();
      orderly.near.write(Buffer.from('all of it'));
      orderly.near.end();
      orderly.far.resume().end();
      await orderly.handler.until('close');
      expect(orderly.near.undelivered).toBe(0);
    });

    test('while the end is under way is told once, with the error', async () => {
      const { near, far, handler } = await pair();
      near.end();
      far.resetAndDestroy();
      await handler.until('close');
      expect(handler.closedWith?.code).toBe('ECONNRESET');
      expect(handler.count('close')).toBe(1);
    });

    test('before the start is told after the start, once and not within it', async () => {
      const { near, socket, far, handler } = await pair(false);
      far.resetAndDestroy();
      // What reads into slabs does not read before the start, and hears of nothing.
      if (slabs === undefined) await once(socket, 'close').catch(() => {});
      else await roundTrips();
      near.start(handler);
      expect(handler.events).toEqual([]);
      await handler.until('close');
      expect(handler.closedWith?.code).toBe('ECONNRESET');
      await roundTrips();
      expect(handler.events).toEqual(['close']);
    });

    test('in the hands of destroy is told without an error, and the other side sees it', async () => {
      const { near, far, handler } = await pair();
      near.destroy();
      near.destroy();
      expect(handler.events).toEqual([]);
      far.resume();
      await handler.until('close');
      expect(handler.closedWith).toBeUndefined();
      await until('the far side to see it', () => far.readableEnded || far.destroyed);
      expect(handler.events).toEqual(['close']);
    });
  });

  describe('an end from before the start', () => {
    test('is not lost', async () => {
      const { near, far, handler } = await pair(false);
      far.end();
      await roundTrips();
      near.start(handler);
      await roundTrips();
      expect(handler.events).toEqual(['end']);
    });

    test('is not lost behind bytes', async () => {
      const { near, far, handler } = await pair(false);
      far.end('all there is');
      await roundTrips();
      near.start(handler);
      await handler.until('end');
      expect(handler.data.toString()).toBe('all there is');
    });
  });

  describe('backpressure', () => {
    test('write says false exactly when as much as the mark waits, and a drain follows', async () => {
      const { near, far, handler } = await pair();
      let full = false;
      for (let i = 0; i < 4_000 && !full; i += 1) {
        full = !near.write(Buffer.alloc(HIGH_WATER / 4));
        expect(full).toBe(near.unsent >= HIGH_WATER);
      }
      expect(full).toBe(true);
      await roundTrips();
      // Nobody reads, so all of it is still there.
      expect(handler.count('drain')).toBe(0);
      far.resume();
      await handler.until('drain');
      expect(near.unsent).toBe(0);
      expect(near.write(Buffer.from('x'))).toBe(true);
    });

    test('both buffers of one call count', async () => {
      const { near, far, handler } = await pair();
      near.write(Buffer.alloc(MUCH)); // fills the kernels
      await until('the kernels to be full', () => near.unsent > 0);
      expect(near.writeBoth(Buffer.alloc(10), Buffer.alloc(10))).toBe(false);
      far.resume();
      await handler.until('drain');
      expect(near.writeBoth(Buffer.alloc(10), Buffer.alloc(10))).toBe(true);
    });

    test('a pause stops what arrives, and in the end the other side; resume lets it go on', async () => {
      const { near, far, handler } = await pair();
      near.pause();
      const sent = pattern(MUCH);
      let finished = false;
      far.end(sent, () => {
        finished = true;
      });
      await roundTrips(50);
      expect(handler.events).toEqual([]);
      expect(finished).toBe(false);
      near.resume();
      await handler.until('end');
      expect(handler.received).toBe(MUCH);
      expect(handler.data.equals(sent)).toBe(true);
    });

    test('a pause can come in the middle of what arrives', async () => {
      const { near, far, handler } = await pair();
      const sent = pattern(MIB);
      let pausedAt = -1;
      const record = handler.onBytes.bind(handler);
      handler.onBytes = (bytes) => {
        record(bytes);
        if (pausedAt >= 0) return;
        near.pause();
        pausedAt = handler.received;
      };
      far.end(sent);
      await handler.until('bytes');
      await roundTrips();
      expect(handler.received).toBe(pausedAt);
      expect(pausedAt).toBeLessThan(MIB);
      expect(handler.count('end')).toBe(0);
      near.resume();
      await handler.until('end');
      expect(handler.data.equals(sent)).toBe(true);
    });
  });

  describe('the close timeout', () => {
    test('cuts a side that does not answer our FIN, counted from the first look after it', async () => {
      const { near, far, handler } = await pair();
      near.tick(0);
      near.tick(50 * CLOSE);
      near.write(Buffer.from('bye'));
      near.end();
      await readAll(far);
      near.tick(100 * CLOSE);
      near.tick(101 * CLOSE - 1);
      await roundTrips();
      expect(handler.events).toEqual([]);
      near.tick(101 * CLOSE);
      await handler.until('close');
      expect(handler.events).toEqual(['close']);
      expect(handler.closedWith).toBeUndefined();
    });

    test('does not count the time before the end, even if nobody looked since', async () => {
      const { near, far, handler } = await pair();
      near.tick(0);
      near.end();
      await readAll(far);
      near.tick(100 * CLOSE);
      await roundTrips();
      expect(handler.events).toEqual([]);
      near.tick(101 * CLOSE);
      await handler.until('close');
    });

    test('is not drawn out by bytes that still arrive', async () => {
      const { near, far, handler } = await pair();
      near.end();
      await readAll(far);
      near.tick(0);
      far.write('x'.repeat(1000));
      await roundTrips();
      near.tick(CLOSE - 1);
      expect(handler.events).toEqual([]);
      near.tick(CLOSE);
      await handler.until('close');
    });

    test('does not run while the connection is merely idle', async () => {
      const { near, handler } = await pair();
      for (let now = 0; now < 100 * STALL; now += STALL) near.tick(now);
      await roundTrips();
      expect(handler.events).toEqual([]);
    });

    test('begins when the last byte is out: until then it is the stall timeout that counts', async () => {
      const { near, far, handler } = await pair();
      near.write(Buffer.alloc(MUCH));
      near.end();
      near.tick(0);
      near.tick(CLOSE);
      near.tick(2 * CLOSE);
      await roundTrips();
      expect(handler.events).toEqual([]);
      await readAll(far);
      near.tick(100 * CLOSE);
      near.tick(101 * CLOSE - 1);
      await roundTrips();
      expect(handler.count('close')).toBe(0);
      near.tick(101 * CLOSE);
      await handler.until('close');
      expect(handler.count('stall')).toBe(0);
    });
  });

  describe('the stall timeout', () => {
    /** Writes more than the kernels can hold, and waits until they are full. */
    async function fill(it: Pair): Promise<void> {
      it.near.write(Buffer.alloc(MUCH));
      let last = -1;
      while (progress(it) !== last) {
        last = progress(it);
        await roundTrips(5);
      }
    }

    test('tells of a side that takes nothing, once, and then cuts it', async () => {
      const it = await pair();
      const { near, handler } = it;
      // If the kernels took a little more after all, the clock rightly began anew; then it is tried again, later.
      for (let from = 0; handler.events.length === 0; from += 10 * STALL) {
        await fill(it);
        near.tick(from);
        const before = progress(it);
        near.tick(from + STALL - 1);
        expect(handler.events).toEqual([]);
        near.tick(from + STALL);
        if (progress(it) === before) expect(handler.events).toEqual(['stall']);
      }
      await handler.until('close');
      near.tick(1e12);
      await roundTrips();
      expect(handler.events).toEqual(['stall', 'close']);
      expect(handler.closedWith).toBeUndefined();
    });

    test('does not come while one large write moves in parts', async () => {
      const it = await pair();
      const { near, far, handler } = it;
      await fill(it);
      let now = 0;
      near.tick(now);
      for (let i = 0; i < 8; i += 1) {
        const before = progress(it);
        far.resume();
        await until('progress', () => progress(it) > before);
        far.pause();
        now += STALL - 1;
        near.tick(now);
        expect(handler.events).toEqual([]);
      }
      expect(near.unsent).toBeGreaterThan(0);
    });

    test('counts anew after each progress', async () => {
      const it = await pair();
      const { near, far, handler } = it;
      await fill(it);
      near.tick(0);
      const before = progress(it);
      far.resume();
      await until('progress', () => progress(it) > before);
      far.pause();
      await fill(it);
      near.tick(STALL + 5);
      expect(handler.events).toEqual([]);
      near.tick(2 * STALL + 4);
      expect(handler.events).toEqual([]);
    });

    test('does not begin anew with small writes that come meanwhile', async () => {
      const it = await pair();
      const { near, handler } = it;
      await fill(it);
      // If the kernels take a little more after all, the clock rightly begins anew; they do not for ever.
      let now = 0;
      for (; now < 100 * STALL && handler.events.length === 0; now += STALL / 4) {
        await roundTrips();
        near.tick(now);
        near.write(Buffer.from('1'));
      }
      expect(handler.events[0]).toBe('stall');
      expect(now).toBeGreaterThan(STALL);
    });

    test('holds for an end that cannot get out as well', async () => {
      const it = await pair();
      const { near, handler } = it;
      for (let from = 0; handler.events.length === 0; from += 10 * STALL) {
        if (from === 0) await fill(it);
        near.end();
        near.tick(from);
        near.tick(from + STALL);
      }
      await handler.until('close');
      expect(handler.events).toEqual(['stall', 'close']);
    });

    test('is off with 0', async () => {
      const it = await pair(true, 0);
      await fill(it);
      for (let now = 0; now < 100 * STALL; now += STALL) it.near.tick(now);
      await roundTrips();
      expect(it.handler.events).toEqual([]);
      expect(it.near.unsent).toBeGreaterThan(0);
    });
  });
});
