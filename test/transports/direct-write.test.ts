/**
 * Writes by Node's own handle of a socket, over real loopback sockets, and how it is found out in which form this Node
 * takes them. What is said here of the handle is Node's affair: under a Node that does it differently these tests fail.
 */
import { once } from 'node:events';
import type * as Net from 'node:net';
import { connect, type Socket } from 'node:net';
import { getSystemErrorName } from 'node:util';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  type DirectWrite,
  directWrite,
  type SocketHandle,
  type WriteRequest,
} from '../../src/transports/direct-write.ts';
import { Listener, roundTrips } from '../support/sockets.ts';

/** More than the buffers of both kernels can hold. */
const MUCH = 64 * 1024 * 1024;

const open: Listener[] = [];
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const listener of open.splice(0)) await listener[Symbol.asyncDispose]();
});

async function pair(): Promise<{ near: Socket; handle: SocketHandle; far: Socket }> {
  const listener = await Listener.on();
  open.push(listener);
  const near = connect({ port: listener.port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => {});
  // It is not to hear of a reset before it writes.
  near.pause();
  sockets.push(near);
  await once(near, 'connect');
  const { _handle: handle } = near as Socket & { _handle?: SocketHandle };
  return { near, handle: handle!, far: await listener.accept() };
}

async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

/** Resolves with the status that a write of these bytes ends with. */
function ended(result: unknown, bytes?: unknown): Promise<number> {
  expect(result).toBeTypeOf('object');
  const request = result as WriteRequest;
  // Nobody else keeps them from the garbage collector.
  request.buffer = bytes;
  return new Promise((resolve) => {
    request.oncomplete = resolve;
  });
}

describe('a direct write', () => {
  const write: DirectWrite = directWrite!;

  test('is known for this Node', () => {
    expect(directWrite).toBeTypeOf('function');
  });

  test('that the kernel takes at once is over when the call is', async () => {
    const { near, handle, far } = await pair();
    for (const text of ['one ', 'two ', 'three']) expect(write(handle, Buffer.from(text))).toBe(0);
    expect(handle.writeQueueSize).toBe(0);
    near.end();
    expect((await readAll(far)).toString()).toBe('one two three');
  });

  test('of two buffers sends them one behind the other', async () => {
    const { near, handle, far } = await pair();
    expect(write(handle, Buffer.from('header '), Buffer.from('payload'))).toBe(0);
    near.end();
    expect((await readAll(far)).toString()).toBe('header payload');
  });

  test('that the kernel takes only a part of is under way until the other side has read', async () => {
    const { handle, far } = await pair();
    const bytes = Buffer.alloc(MUCH);
    const status = ended(write(handle, bytes), bytes);
    expect(handle.writeQueueSize).toBeGreaterThan(0);
    expect(handle.writeQueueSize).toBeLessThan(MUCH);
    far.resume();
    expect(await status).toBe(0);
    expect(handle.writeQueueSize).toBe(0);
  });

  test('behind one that is under way waits for it, and has a request of its own', async () => {
    const { near, handle, far } = await pair();
    const bytes = [Buffer.alloc(MUCH, 'a'), Buffer.from('b'), Buffer.from('c'), Buffer.from('d')];
    const [a, b, c, d] = bytes as [Buffer, Buffer, Buffer, Buffer];
    const results = [write(handle, a), write(handle, b), write(handle, c, d)];
    expect(new Set(results).size).toBe(3);
    const statuses = Promise.all(results.map((result) => ended(result, bytes)));
    near.end();
    const received = await readAll(far);
    expect(received.length).toBe(MUCH + 3);
    expect(received.toString('latin1', MUCH - 1)).toBe('abcd');
    expect(await statuses).toEqual([0, 0, 0]);
    expect(write(handle, Buffer.from('too late'))).toBeLessThan(0);
  });

  test('to a side that has reset the connection answers with the error', async () => {
    const { handle, far } = await pair();
    far.resetAndDestroy();
    await roundTrips();
    const result = write(handle, Buffer.from('x'));
    expect(['ECONNRESET', 'EPIPE']).toContain(getSystemErrorName(result as number));
    // The next one needs a request again, or not; either way it is answered, too.
    expect(write(handle, Buffer.from('x'))).toBeLessThan(0);
  });

  test('under way when the other side resets ends with the error', async () => {
    const { near, handle, far } = await pair();
    const bytes = Buffer.alloc(MUCH);
    const status = ended(write(handle, bytes), bytes);
    far.resetAndDestroy();
    expect(['ECONNRESET', 'EPIPE']).toContain(getSystemErrorName(await status));
    expect(near.destroyed).toBe(false);
  });

  test('under way when the socket is destroyed ends as cancelled', async () => {
    const { near, handle } = await pair();
    const bytes = Buffer.alloc(MUCH);
    const status = ended(write(handle, bytes), bytes);
    near.destroy();
    expect(getSystemErrorName(await status)).toBe('ECANCELED');
  });
});

describe('the form of a write is found out by asking a socket', () => {
  afterEach(() => {
    vi.doUnmock('node:net');
    vi.resetModules();
  });

  /** What is found where Node's socket writes like this. */
  async function found(write: (handle: { writeBuffer: (request: unknown) => unknown }) => void) {
    vi.resetModules();
    vi.doMock('node:net', async (original) => ({
      ...(await original<typeof Net>()),
      Socket: class {
        readonly #handle: { writeBuffer: (request: unknown) => unknown };
        constructor({ handle }: { handle: { writeBuffer: (request: unknown) => unknown } }) {
          this.#handle = handle;
        }
        on(): this {
          return this;
        }
        write(): void {
          write(this.#handle);
        }
      },
    }));
    return (await import('../../src/transports/direct-write.ts')).directWrite;
  }

  /** A handle that keeps how it was called. */
  function recorder(answer: unknown) {
    const calls: unknown[][] = [];
    const handle = {
      writeQueueSize: 0,
      writeBuffer: (...call: unknown[]) => calls.push(call) && answer,
      writev: (...call: unknown[]) => calls.push(call) && answer,
    };
    return { calls, handle };
  }

  const [one, two] = [Buffer.from('1'), Buffer.from('2')];

  test('which hands in null: then so do we, and pass on the answer', async () => {
    const write = (await found((handle) => handle.writeBuffer(null)))!;
    const { calls, handle } = recorder(-32);
    expect([write(handle, one), write(handle, one, two)]).toEqual([-32, -32]);
    expect(calls).toEqual([
      [null, one],
      [null, [one, two], true],
    ]);
  });

  test('which hands in a request: then we make such requests, a new one when the last is under way', async () => {
    class Request {
      id = -1;
      getAsyncId(): number {
        return this.id;
      }
    }
    const write = (await found((handle) => handle.writeBuffer(new Request())))!;
    const { calls, handle } = recorder(0);
    expect([write(handle, one), write(handle, one, two)]).toEqual([0, 0]);
    const [[first], [second]] = calls as [[Request], [Request]];
    expect(first).toBeInstanceOf(Request);
    expect(second).toBe(first);
    const start = (request: Request) => {
      request.id = 7;
      return 0;
    };
    expect(write({ ...handle, writeBuffer: start } as SocketHandle, one)).toBe(first);
    expect(write(handle, one)).toBe(0);
    expect(calls[2]![0]).not.toBe(first);
  });

  test.each<[string, (handle: { writeBuffer: (request: unknown) => unknown }) => void]>([
    ['hands in something else', (handle) => handle.writeBuffer({})],
    ['hands in nothing', (handle) => handle.writeBuffer(undefined)],
    ['does not call the handle', () => {}],
    [
      'throws',
      () => {
        throw new Error('no such handle');
      },
    ],
  ])('which %s: then there is none', async (_what, write) => {
    expect(await found(write)).toBeUndefined();
  });
});
