/**
 * Slab sockets over real loopback sockets. `near` is the slab socket, `far` an ordinary one at the other end. What they
 * share with ordinary sockets, as seen through the transport, stands in stream.test.ts.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { READ_BYTES, type Slab, type SlabPool } from '../../src/slab-pool.ts';
import {
  acceptIntoSlabs,
  hasSlabSockets,
  SlabSocket,
  type SlabSocketOwner,
} from '../../src/transports/slab-socket.ts';
import { HIGH_WATER, STREAM_OPTIONS, StreamTransport } from '../../src/transports/stream.ts';
import { heapSlabs } from '../support/slabs.ts';
import { Listener, RecordingHandler, roundTrips, until } from '../support/sockets.ts';

/** From this size on a write behind another one is not copied out of its slab. */
const WORTH_A_SLAB = 16 * 1024;

/** More than the buffers of both kernels can hold. */
const MUCH = 64 * 1024 * 1024;

let slabs: SlabPool;
const open: Listener[] = [];
const sockets: Socket[] = [];

beforeEach(() => {
  slabs = heapSlabs();
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const listener of open.splice(0)) await listener[Symbol.asyncDispose]();
});

/** Keeps what it is told, and counts. */
class Owner implements SlabSocketOwner {
  readonly events: string[] = [];
  readonly #chunks: Buffer[] = [];
  received = 0;
  sent = 0;
  onRead(bytes: Uint8Array): void {
    this.received += bytes.length;
    this.#chunks.push(Buffer.from(bytes));
  }
  onSent(): void {
    this.sent += 1;
  }
  onEnded(): void {
    this.events.push('end');
  }
  onError({ syscall, code }: NodeJS.ErrnoException): void {
    this.events.push(`${syscall} ${code}`);
  }
  onClosed(): void {
    this.events.push('close');
  }
  get text(): string {
    return Buffer.concat(this.#chunks).toString('latin1');
  }
}

interface Pair {
  readonly near: SlabSocket;
  readonly far: Socket;
  readonly owner: Owner;
  /** What the owner was told of but reads and writes. */
  readonly events: string[];
}

async function pair(bulk = false): Promise<Pair> {
  const listener = await Listener.on();
  open.push(listener);
  const near = new SlabSocket(STREAM_OPTIONS, slabs, bulk).connect({
    port: listener.port,
    host: '127.0.0.1',
  });
  sockets.push(near);
  await once(near, 'connect');
  const owner = new Owner();
  near.ownedBy(owner);
  return { near, far: await listener.accept(), owner, events: owner.events };
}

/** The same with a transport for its owner. */
async function overTransport(): Promise<Omit<Pair, 'owner' | 'events'> & { transport: StreamTransport }> {
  const listener = await Listener.on();
  open.push(listener);
  const near = new SlabSocket(STREAM_OPTIONS, slabs, true);
  sockets.push(near.connect({ port: listener.port, host: '127.0.0.1' }));
  await once(near, 'connect');
  const transport = new StreamTransport(near, { closeTimeout: 10_000, stallTimeout: 0 });
  transport.start(new RecordingHandler());
  return { near, transport, far: await listener.accept() };
}

async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

/** An output slab that holds a text. */
function slabOf(text: string): { slab: Slab; bytes: Uint8Array } {
  const slab = slabs.take()!;
  return { slab, bytes: slab.bytes.subarray(0, slab.bytes.write(text, 'latin1')) };
}

test('this Node has what slab sockets need', () => {
  expect(hasSlabSockets).toBe(true);
});

describe('a write', () => {
  test('that the kernel takes at once is over: nothing is unsent, pinned or told', async () => {
    const { near, far, owner } = await pair();
    near.startReading();
    const { slab, bytes } = slabOf('one ');
    near.send(bytes);
    near.send(Buffer.from('two '), Buffer.from('three'));
    expect(near.unsent).toBe(0);
    slabs.release(slab);
    expect(slabs.outstanding).toBe(0);
    near.end();
    expect((await readAll(far)).toString()).toBe('one two three');
    expect(owner.sent).toBe(0);
  });

  test('that stays under way pins its slabs until it is over, which is told once', async () => {
    const { near, far, owner } = await pair();
    near.startReading();
    near.send(Buffer.alloc(MUCH, '.'));
    const long = 'long '.repeat(READ_BYTES / 10);
    const [one, two, three] = [slabOf(`one ${long}`), slabOf(`two ${long}`), slabOf(`three ${long}`)];
    near.send(one.bytes);
    near.send(two.bytes, three.bytes);
    expect(near.unsent).toBe(MUCH + 14 + 3 * long.length);
    for (const { slab } of [one, two, three]) slabs.release(slab);
    expect(slabs.outstanding).toBe(3);
    const others = slabs.take()!;
    expect([one.slab, two.slab, three.slab]).not.toContain(others);
    others.bytes.fill('X');
    expect(owner.sent).toBe(0);
    const received = readAll(far);
    await until('all of it to be sent', () => near.unsent === 0);
    expect(slabs.outstanding).toBe(1);
    expect(owner.sent).toBe(1);
    near.end();
    expect((await received).toString('latin1', MUCH - 1)).toBe(`.one ${long}two ${long}three ${long}`);
  });

  test('counts whole while the kernel takes it in parts', async () => {
    const { near, far, owner } = await pair();
    near.startReading();
    const { _handle: handle } = near as unknown as { _handle: { writeQueueSize: number } };
    near.send(Buffer.alloc(MUCH));
    const before = handle.writeQueueSize;
    far.resume();
    await until('a part to be taken', () => handle.writeQueueSize < before);
    far.pause();
    if (handle.writeQueueSize > 0) expect(near.unsent).toBe(MUCH);
    far.resume();
    await until('all of it to be taken', () => near.unsent === 0);
    expect(owner.sent).toBe(1);
  });

  test('behind writes that are under way keeps its place', async () => {
    const { near, far, owner } = await pair();
    near.startReading();
    near.send(Buffer.alloc(MUCH));
    let expected = '';
    for (let i = 0; i < 2_000; i += 1) {
      near.send(Buffer.from(`${i};`), i % 3 === 0 ? Buffer.from('and ') : undefined);
      expected += i % 3 === 0 ? `${i};and ` : `${i};`;
    }
    near.end();
    expect((await readAll(far)).toString('latin1', MUCH)).toBe(expected);
    expect(owner.sent).toBe(1);
  });

  test('of bytes in the read slab is sent as it was, whatever is read meanwhile', async () => {
    const { near, far } = await pair();
    near.startReading();
    near.send(Buffer.alloc(MUCH));
    for (const text of ['one ', 'two ']) {
      slabs.readSlab.fill(text);
      near.send(slabs.readSlab.subarray(0, 4), slabs.readSlab.subarray(4, 8));
    }
    slabs.readSlab.fill('X');
    expect(near.unsent).toBe(MUCH + 16);
    near.end();
    expect((await readAll(far)).toString('latin1', MUCH)).toBe('one one two two ');
  });

  test('before an end goes out before the FIN, also if it is under way', async () => {
    const { near, far, events } = await pair();
    near.startReading();
    near.send(Buffer.alloc(MUCH));
    const { slab, bytes } = slabOf('the end');
    near.send(bytes);
    slabs.release(slab);
    near.end();
    await roundTrips();
    expect(near.unsent).toBe(MUCH + 7);
    const received = await readAll(far);
    expect([received.length, received.toString('latin1', MUCH)]).toEqual([MUCH + 7, 'the end']);
    far.end();
    await until('the end', () => events.includes('close'));
    expect(events).toEqual(['end', 'close']);
    expect([near.unsent, slabs.outstanding]).toEqual([0, 0]);
  });
});

describe('many small writes behind one that is under way', () => {
  test('are soon told to be enough, for what each of them costs, and keep no slab each', async () => {
    const { near, far, transport } = await overTransport();
    const block = Buffer.alloc(READ_BYTES / 2, '.');
    let blocks = 0;
    for (; near.unsent === 0; blocks += 1) transport.write(block);
    // From here on in one go, so that nothing can be sent meanwhile.
    expect(near.unsent).toBeLessThan(HIGH_WATER);
    let expected = '';
    for (let more = true; more; ) {
      const { slab, bytes } = slabOf(String.fromCharCode(33 + (expected.length % 90)));
      expected += Buffer.from(bytes).toString('latin1');
      more = transport.write(bytes);
      slab.bytes.fill('X');
      slabs.release(slab);
      expect(slabs.outstanding).toBeLessThanOrEqual(2);
      if (expected.length > HIGH_WATER / 2_048) break;
    }
    expect(expected.length).toBeGreaterThan(1);
    expect(expected.length).toBeLessThanOrEqual(HIGH_WATER / 2_048);
    transport.end();
    expect((await readAll(far)).toString('latin1', blocks * block.length)).toBe(expected);
    far.end();
    await until('the slabs to be free', () => slabs.outstanding === 0);
  });

  test('are copied out of their slabs if they are short, and left there if it is worth it', async () => {
    const { near, far } = await pair();
    near.startReading();
    near.send(Buffer.alloc(MUCH));
    for (const [length, outstanding] of [
      [WORTH_A_SLAB - 1, 0],
      [WORTH_A_SLAB, 1],
    ] as const) {
      const { slab, bytes } = slabOf('y'.repeat(length));
      near.send(bytes);
      slabs.release(slab);
      expect(slabs.outstanding).toBe(outstanding);
    }
    near.end();
    const received = await readAll(far);
    expect(received.toString('latin1', MUCH)).toBe('y'.repeat(2 * WORTH_A_SLAB - 1));
    expect(slabs.outstanding).toBe(0);
  });
});

describe('a write that fails', () => {
  test('because the socket is destroyed gives its slab back, stays unsent, and is not told as sent', async () => {
    const { near, owner, events } = await pair();
    near.startReading();
    near.send(Buffer.alloc(MUCH));
    const [one, two] = [slabOf('1'.repeat(WORTH_A_SLAB)), slabOf('2'.repeat(WORTH_A_SLAB))];
    near.send(one.bytes, two.bytes);
    slabs.release(one.slab);
    slabs.release(two.slab);
    expect(slabs.outstanding).toBe(2);
    near.destroy();
    await until('the slabs to be free', () => slabs.outstanding === 0);
    expect([near.unsent, owner.sent]).toEqual([MUCH + 2 * WORTH_A_SLAB, 0]);
    await until('the close', () => events.includes('close'));
    expect(events).toEqual(['close']);
  });

  test('because the other side resets gives its slab back, and is told as an error, once', async () => {
    const { near, far, owner, events } = await pair();
    near.startReading();
    near.send(Buffer.alloc(MUCH));
    const { slab, bytes } = slabOf('x');
    near.send(bytes);
    slabs.release(slab);
    far.resetAndDestroy();
    await until('the close', () => events.includes('close'));
    expect(events).toEqual([expect.stringMatching(/^(read ECONNRESET|write (ECONNRESET|EPIPE))$/), 'close']);
    expect(slabs.outstanding).toBe(0);
    expect(near.unsent).toBeGreaterThan(0);
    expect(owner.sent).toBe(0);
  });

  test('because the other side resets is told although nobody reads', async () => {
    const { near, far, owner, events } = await pair();
    near.send(Buffer.alloc(MUCH));
    far.resetAndDestroy();
    await until('the close', () => events.includes('close'));
    expect(events).toEqual([expect.stringMatching(/^write (ECONNRESET|EPIPE)$/), 'close']);
    expect([near.unsent, owner.sent]).toEqual([MUCH, 0]);
  });

  test('at once, since the other side has reset, is told as an error, and what it held is unsent', async () => {
    const { near, far, events } = await pair();
    far.resetAndDestroy();
    await roundTrips();
    // Nobody reads, so nobody has heard of it.
    expect(events).toEqual([]);
    const { slab, bytes } = slabOf('lost');
    near.send(bytes);
    slabs.release(slab);
    expect(events).toEqual([]);
    expect([near.unsent, slabs.outstanding]).toEqual([4, 0]);
    near.send(Buffer.from('lost, too'));
    expect(near.unsent).toBe(13);
    await until('the close', () => events.includes('close'));
    expect(events).toEqual([expect.stringMatching(/^write (ECONNRESET|EPIPE)$/), 'close']);
  });

  test('behind the end of our side is told as EPIPE', async () => {
    const { near, events } = await pair();
    near.startReading();
    near.end();
    await once(near, 'finish');
    near.send(Buffer.from('late'));
    await until('the close', () => events.includes('close'));
    expect(events).toEqual(['write EPIPE', 'close']);
  });
});

test('its owner is told, though whoever had the socket before took all listeners away', async () => {
  const listener = await Listener.on();
  open.push(listener);
  const near = new SlabSocket(STREAM_OPTIONS, slabs, true).connect({
    port: listener.port,
    host: '127.0.0.1',
  });
  sockets.push(near);
  await once(near, 'connect');
  for (const event of ['connect', 'error']) near.removeAllListeners(event);
  const owner = new Owner();
  near.ownedBy(owner);
  near.startReading();
  (await listener.accept()).resetAndDestroy();
  await until('the close', () => owner.events.includes('close'));
  expect(owner.events).toEqual(['read ECONNRESET', 'close']);
});

describe('reading', () => {
  test('does not begin before there is a owner: what comes waits in the kernel, and holds the other side back', async () => {
    const { near, far, owner, events } = await pair();
    let written = false;
    far.end(Buffer.alloc(MUCH), () => {
      written = true;
    });
    await roundTrips(20);
    expect([near.bytesRead, written, events]).toEqual([0, false, []]);
    near.startReading();
    await until('the end', () => events.includes('end'));
    expect(owner.received).toBe(MUCH);
  });

  test('goes into the read slab, so that each read writes over the last', async () => {
    const { near, far, owner } = await pair();
    const seen: Uint8Array[] = [];
    owner.onRead = (bytes) => seen.push(bytes);
    near.startReading();
    far.write('first');
    await until('a read', () => seen.length === 1);
    far.write('other');
    await until('a read', () => seen.length === 2);
    expect(slabs.isShared(seen[0]!)).toBe(true);
    expect(String(Buffer.from(seen[0]!))).toBe('other');
    expect(slabs.readSlab.length).toBe(READ_BYTES);
  });

  test('of several sockets goes into the same slab, each read on its own', async () => {
    const pairs = await Promise.all(Array.from({ length: 8 }, () => pair()));
    for (const { near } of pairs) near.startReading();
    for (let round = 0; round < 50; round += 1) for (const [i, { far }] of pairs.entries()) far.write(`${i}`);
    await until('all of it', () => pairs.every(({ owner }) => owner.received === 50));
    for (const [i, { owner }] of pairs.entries()) expect(owner.text).toBe(`${i}`.repeat(50));
  });

  test.each([
    ['right behind the beginning', 0],
    ['later', 10],
  ])('stops at a pause %s, until it is resumed', async (_when, turns) => {
    const { near, far, owner, events } = await pair();
    near.startReading();
    if (turns > 0) await roundTrips(turns);
    near.pause();
    far.end('words');
    await roundTrips(20);
    expect([owner.received, events]).toEqual([0, []]);
    near.resume();
    near.pause();
    await roundTrips(20);
    expect([owner.received, events]).toEqual([0, []]);
    near.resume();
    await until('the end', () => events.includes('end'));
    expect(owner.text).toBe('words');
  });

  test('stops at a pause out of a read: not one more follows', async () => {
    const { near, far, owner, events } = await pair();
    let reads = 0;
    owner.onRead = () => {
      reads += 1;
      near.pause();
    };
    near.startReading();
    far.end(Buffer.alloc(4 * READ_BYTES));
    for (let i = 1; !events.includes('end'); i += 1) {
      await until('a read or the end', () => reads === i || events.includes('end'));
      await roundTrips();
      expect(reads).toBeLessThanOrEqual(i);
      near.resume();
    }
    expect(near.bytesRead).toBe(4 * READ_BYTES);
  });

  test('is over when the socket is destroyed out of a read', async () => {
    const { near, far, owner, events } = await pair();
    let reads = 0;
    owner.onRead = () => {
      reads += 1;
      near.destroy();
    };
    near.startReading();
    far.on('error', () => {});
    far.end(Buffer.alloc(16 * READ_BYTES));
    await until('the close', () => events.includes('close'));
    expect([reads, events]).toEqual([1, ['close']]);
  });

  test('that fails is told as an error', async () => {
    const { near, far, events } = await pair();
    near.startReading();
    far.resetAndDestroy();
    await until('the close', () => events.includes('close'));
    expect(events).toEqual(['read ECONNRESET', 'close']);
  });
});

describe('reading in bulk', () => {
  /** So much that some reads fill a slab, whatever the kernels hold. */
  const block = Buffer.alloc(128 * READ_BYTES, 'some bulk');

  test('goes on in a slab of the socket’s own, which comes back with the last read', async () => {
    const { near, far, owner } = await pair(true);
    const places: string[] = [];
    const record = owner.onRead.bind(owner);
    owner.onRead = (bytes) => {
      record(bytes);
      places.push(slabs.isShared(bytes) ? 'shared' : slabs.holds(bytes) ? 'own' : 'elsewhere');
      if (bytes.length < READ_BYTES) return;
      // Until the next read of this one.
      expect(slabs.outstanding).toBeLessThanOrEqual(1);
    };
    far.write(block);
    await roundTrips();
    near.startReading();
    await until('all of it', () => owner.received === block.length);
    far.write('the end');
    await until('the end', () => owner.received === block.length + 7);
    expect(owner.text).toBe(`${block}the end`);
    expect(slabs.outstanding).toBe(0);
    expect(places[0]).toBe('shared');
    expect(places).toContain('own');
    expect(places).not.toContain('elsewhere');
  });

  test('does not read over what a write still needs: then the next read has another slab', async () => {
    const { near, far, owner } = await pair(true);
    const kept: Uint8Array[] = [];
    const copies: Buffer[] = [];
    owner.onRead = (bytes) => {
      if (slabs.isShared(bytes)) return;
      kept.push(bytes);
      copies.push(Buffer.from(bytes));
      slabs.pin(bytes);
    };
    far.end(Buffer.concat(Array.from({ length: 100 }, (_, i) => Buffer.alloc(READ_BYTES, `${i};`))));
    await roundTrips();
    near.startReading();
    await until('the end', () => owner.events.includes('end'));
    expect(kept.length).toBeGreaterThan(0);
    for (const [i, bytes] of kept.entries()) expect(copies[i]!.equals(bytes)).toBe(true);
    expect(new Set(kept.map(({ byteOffset }) => byteOffset)).size).toBe(kept.length);
    for (const bytes of kept) slabs.unpin(bytes);
    near.destroy();
    await until('the slabs to be free', () => slabs.outstanding === 0);
  });

  test('gives its slab back when the socket is destroyed, from within a read or later', async () => {
    for (const within of [true, false]) {
      const { near, far, owner } = await pair(true);
      far.on('error', () => {});
      let full = 0;
      owner.onRead = (bytes) => {
        if (bytes.length === READ_BYTES) full += 1;
        if (full < 2) return;
        if (within) near.destroy();
        else near.pause();
      };
      far.write(block);
      await roundTrips();
      near.startReading();
      await until('some full reads', () => full >= 2);
      if (!within) {
        expect(slabs.outstanding).toBe(1);
        near.destroy();
      }
      await until('the close', () => owner.events.includes('close'));
      expect(slabs.outstanding).toBe(0);
    }
  });

  test('reads from the shared slab where none is left', async () => {
    const held = Array.from({ length: 300 }, () => slabs.take()).filter((slab) => slab !== undefined);
    const { near, far, owner } = await pair(true);
    far.end(block);
    near.startReading();
    await until('the end', () => owner.events.includes('end'));
    expect(owner.text).toBe(String(block));
    expect(slabs.outstanding).toBe(held.length);
  });
});

describe('an end of one direction', () => {
  test('of the other side leaves ours open', async () => {
    const { near, far, owner, events } = await pair();
    near.startReading();
    far.end('question');
    await until('the end', () => events.includes('end'));
    await roundTrips();
    expect([owner.text, events]).toEqual(['question', ['end']]);
    near.send(Buffer.from('answer'));
    near.end();
    expect((await readAll(far)).toString()).toBe('answer');
    await until('the close', () => events.includes('close'));
    expect(events).toEqual(['end', 'close']);
  });

  test('of ours leaves the other one open', async () => {
    const { near, far, owner, events } = await pair();
    near.startReading();
    near.end();
    await readAll(far);
    far.write('still ');
    await roundTrips();
    expect(events).toEqual([]);
    far.end('talking');
    await until('the close', () => events.includes('close'));
    expect([owner.text, events]).toEqual(['still talking', ['end', 'close']]);
  });
});

describe('a server that accepts into slabs', () => {
  const servers: Server[] = [];

  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    for (const server of servers.splice(0)) {
      if (!server.listening) continue;
      server.close();
      await once(server, 'close');
    }
  });

  async function listen(where: object = { port: 0, host: '127.0.0.1' }): Promise<Server> {
    const server = createServer(STREAM_OPTIONS);
    servers.push(server);
    server.listen(where);
    await once(server, 'listening');
    return server;
  }

  function dial(server: Server): Socket {
    const at = server.address();
    const socket = typeof at === 'string' ? connect(at) : connect(at!.port, '127.0.0.1');
    sockets.push(socket.on('error', () => {}));
    return socket;
  }

  const count = (server: Server) =>
    new Promise<number>((resolve, reject) =>
      server.getConnections((error, number) => (error === null ? resolve(number) : reject(error))),
    );

  async function accepting(server: Server): Promise<SlabSocket[]> {
    const accepted: SlabSocket[] = [];
    acceptIntoSlabs(server, STREAM_OPTIONS, slabs, (socket) => {
      accepted.push(socket as SlabSocket);
      sockets.push(socket);
    });
    return accepted;
  }

  test.each([
    ['TCP', () => ({ port: 0, host: '127.0.0.1' })],
    ['a Unix socket', () => ({ path: join(mkdtempSync(join(tmpdir(), 'ws-slab-')), 'a.sock') })],
  ])('hands over sockets on %s that carry both ways, and announces none', async (_kind, where) => {
    const server = await listen(where());
    const accepted = await accepting(server);
    const announced = vi.fn();
    server.on('connection', announced);
    const client = dial(server);
    await until('a socket', () => accepted.length === 1);
    const [near] = accepted as [SlabSocket];
    expect(near).toBeInstanceOf(SlabSocket);
    const owner = new Owner();
    near.ownedBy(owner);
    near.startReading();
    const at = server.address();
    if (typeof at === 'object')
      expect([near.localPort, near.remotePort]).toEqual([at!.port, client.localPort]);
    client.write('ping');
    await until('the bytes', () => owner.text === 'ping');
    near.send(Buffer.from('pong'));
    near.end();
    client.end();
    expect((await readAll(client)).toString()).toBe('pong');
    expect(announced).not.toHaveBeenCalled();
    if (typeof at === 'string') rmSync(join(at, '..'), { recursive: true });
  });

  test('counts them, and is closed when the last of them is', async () => {
    const server = await listen();
    const accepted = await accepting(server);
    const clients = [dial(server), dial(server), dial(server)];
    await until('the sockets', () => accepted.length === 3);
    for (const near of accepted) near.startReading();
    expect(await count(server)).toBe(3);
    clients[0]!.destroy();
    accepted[1]!.destroy();
    accepted[0]!.end();
    await until('two to be gone', () => accepted[0]!.closed && accepted[1]!.closed);
    expect(await count(server)).toBe(1);
    let closed = false;
    server.close(() => {
      closed = true;
    });
    await roundTrips();
    expect(closed).toBe(false);
    // What it has accepted goes on.
    accepted[2]!.send(Buffer.from('still here'));
    const [bytes] = await once(clients[2]!, 'data');
    expect(String(bytes)).toBe('still here');
    accepted[2]!.end();
    clients[2]!.end();
    await until('the server to be closed', () => closed);
  });

  test('tells of an error to accept as before', async () => {
    const server = await listen();
    const accepted = await accepting(server);
    const error = once(server, 'error');
    const { _handle: handle } = server as unknown as {
      _handle: { onconnection: (status: number) => void };
    };
    handle.onconnection(-24);
    expect((await error)[0]).toMatchObject({ code: 'EMFILE', syscall: 'accept' });
    expect([accepted.length, await count(server)]).toEqual([0, 0]);
  });

  test('tells of them where Node tells of its own', async () => {
    const seen: unknown[] = [];
    const note = (message: unknown) => seen.push((message as { socket: Socket }).socket);
    const server = await listen();
    const accepted = await accepting(server);
    subscribe('net.server.socket', note);
    try {
      dial(server);
      await until('a socket', () => accepted.length === 1);
      expect(seen).toEqual(accepted);
    } finally {
      unsubscribe('net.server.socket', note);
    }
  });

  test.each([
    ['has no handle', null],
    ['has a handle that is not as it is known', {}],
  ])('goes on as it was if it %s', async (_what, handle) => {
    const server = await listen();
    const handed = await accepting(Object.create(server, { _handle: { value: handle } }) as Server);
    const announced: Socket[] = [];
    server.on('connection', (socket) => {
      announced.push(socket);
      socket.on('data', (bytes) => socket.end(bytes));
    });
    const client = dial(server);
    client.end('ping');
    expect((await readAll(client)).toString()).toBe('ping');
    expect([handed.length, announced.length]).toEqual([0, 1]);
    expect(announced[0]).not.toBeInstanceOf(SlabSocket);
  });
});
