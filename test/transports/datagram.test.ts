/** The datagram transport against a socket that does what the test says: what waits, what is dropped, what is told. */
import { beforeEach, describe, expect, test } from 'vitest';
import { Fault } from '../../src/errors.ts';
import {
  type DatagramEvents,
  type DatagramSocket,
  DatagramTransport,
  oversize,
} from '../../src/transports/datagram.ts';
import { HIGH_WATER } from '../../src/transports/stream.ts';
import { RecordingHandler } from '../support/sockets.ts';

const KIB = 1024;

class FakeSocket implements DatagramSocket {
  readonly maximum = 65_507;
  readonly unsent: Uint8Array[] = [];
  closed = 0;
  events!: DatagramEvents;

  listen(events: DatagramEvents): void {
    this.events = events;
  }
  send(message: Uint8Array): void {
    this.unsent.push(message);
  }
  close(): void {
    this.closed += 1;
  }
  /** The system takes so many of those that wait. */
  take(count = this.unsent.length): void {
    for (const message of this.unsent.splice(0, count)) this.events.onSent(message.length);
  }
  receive(...messages: (string | Uint8Array)[]): void {
    for (const message of messages) this.events.onDatagram(Buffer.from(message as Uint8Array));
  }
}

let socket: FakeSocket;
let transport: DatagramTransport;
let handler: RecordingHandler;

beforeEach(() => {
  socket = new FakeSocket();
  transport = new DatagramTransport(socket, { stallTimeout: 1_000 });
  handler = new RecordingHandler();
});

const write = (size: number) => transport.write(Buffer.alloc(size));
const texts = () => handler.messages.map(({ bytes }) => Buffer.from(bytes).toString());
const microtasks = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('towards the peer', () => {
  beforeEach(() => transport.start(handler));

  test('takes messages as large as the socket does, and has lost none yet', () => {
    expect(transport).toMatchObject({ kind: 'message', maximum: 65_507, undelivered: 0, dropped: 0 });
  });

  test('each message goes to the socket as it is, in order, the empty ones too', () => {
    for (const text of ['a', '', 'b']) transport.write(Buffer.from(text));
    expect(socket.unsent.map(String)).toEqual(['a', '', 'b']);
  });

  test('says that it is full at 128 KiB, a message costing 256 bytes besides its own', () => {
    expect(write(HIGH_WATER - 256 - 1)).toBe(true);
    socket.take();
    expect(write(HIGH_WATER - 256)).toBe(false);
  });

  test('counts empty messages: 512 of them fill it', () => {
    for (let i = 1; i < 512; i += 1) expect(write(0)).toBe(true);
    expect(write(0)).toBe(false);
  });

  test('tells once, when all has left, that it takes more', () => {
    write(100 * KIB);
    write(100 * KIB);
    socket.take(1);
    expect(handler.events).toEqual([]);
    socket.take(1);
    expect(handler.events).toEqual(['drain']);
    write(1);
    socket.take();
    expect(handler.events).toEqual(['drain']);
  });

  test('stays full until it has told so, also for who writes on', () => {
    write(100 * KIB);
    write(100 * KIB);
    socket.take(1);
    expect(write(1)).toBe(false);
    socket.take();
    expect(handler.events).toEqual(['drain']);
  });

  test('an end waits for what is under way, and takes nothing more', async () => {
    write(10);
    transport.end();
    transport.end();
    expect(write(5)).toBe(true);
    expect(socket).toMatchObject({ closed: 0, unsent: { length: 1 } });
    socket.take();
    expect(socket.closed).toBe(1);
    await microtasks();
    expect(handler.events).toEqual(['close']);
    expect(handler.closedWith).toBeUndefined();
    expect(transport.undelivered).toBe(0);
  });

  test('an end with nothing under way is at once', () => {
    transport.end();
    expect(socket.closed).toBe(1);
  });

  test('an end does not tell of room', () => {
    write(HIGH_WATER);
    transport.end();
    socket.take();
    expect(handler.events).toEqual([]);
  });

  test('destroyed, it counts what never left, and closes once', async () => {
    write(10);
    write(20);
    socket.take(1);
    transport.destroy();
    transport.destroy();
    expect(transport.undelivered).toBe(20);
    expect(write(5)).toBe(true);
    expect(socket).toMatchObject({ closed: 1, unsent: { length: 1 } });
    await microtasks();
    expect(handler.events).toEqual(['close']);
  });

  test('an error closes it, is told last, and once', async () => {
    write(10);
    const error = new Error('refused');
    socket.events.onError(error);
    socket.events.onError(new Error('again'));
    socket.take();
    await microtasks();
    expect(handler.events).toEqual(['close']);
    expect(handler.closedWith).toBe(error);
    expect(transport.undelivered).toBe(10);
  });

  test('stalls when the same message has waited for the timeout', async () => {
    write(1);
    write(1);
    transport.tick(5_000);
    transport.tick(5_999);
    socket.take(1);
    transport.tick(6_100);
    transport.tick(7_099);
    expect(handler.events).toEqual([]);
    transport.tick(7_100);
    await microtasks();
    expect(handler.events).toEqual(['stall', 'close']);
    expect(transport.undelivered).toBe(1);
  });

  test('never stalls while nothing waits', () => {
    transport.tick(0);
    transport.tick(1_000_000);
    write(1);
    transport.tick(1_000_001);
    expect(handler.events).toEqual([]);
  });

  test('never stalls if the timeout is 0', () => {
    const endless = new DatagramTransport(socket, { stallTimeout: 0 });
    endless.start(handler);
    endless.write(Buffer.alloc(1));
    endless.tick(0);
    endless.tick(1e9);
    expect(handler.events).toEqual([]);
  });
});

describe('from the peer', () => {
  test('what came before the start is delivered with it', () => {
    socket.receive('a', 'b');
    transport.start(handler);
    socket.receive('c', '');
    expect(texts()).toEqual(['a', 'b', 'c', '']);
    expect(handler.messages.every(({ opcode }) => opcode === undefined)).toBe(true);
  });

  test('while paused up to 256 KiB wait; beyond them the newest are dropped, and counted', () => {
    transport.start(handler);
    transport.pause();
    for (let i = 0; i < 5; i += 1) socket.receive(Buffer.alloc(64 * KIB - 256, String(i)));
    expect(transport.dropped).toBe(1);
    expect(handler.messages).toHaveLength(0);
    transport.resume();
    expect(texts().map((text) => text[0])).toEqual(['0', '1', '2', '3']);
    transport.pause();
    socket.receive('room again');
    transport.resume();
    expect(texts().at(-1)).toBe('room again');
    expect(transport.dropped).toBe(1);
  });

  test('what was delivered makes exactly as much room as it took', () => {
    transport.start(handler);
    for (let round = 1; round <= 3; round += 1) {
      transport.pause();
      for (let i = 0; i < 4; i += 1) socket.receive(Buffer.alloc(64 * KIB - 256));
      expect(transport.dropped).toBe(round - 1);
      socket.receive('');
      expect(transport.dropped).toBe(round);
      transport.resume();
    }
    expect(handler.messages).toHaveLength(12);
  });

  test('what waits at the end is dropped, and counted, even if the end itself has to wait', () => {
    transport.start(handler);
    transport.pause();
    socket.receive('a', 'b');
    write(1);
    transport.end();
    expect(transport.dropped).toBe(2);
    transport.resume();
    socket.receive('c');
    socket.take();
    expect(socket.closed).toBe(1);
    expect(handler.messages).toEqual([]);
    expect(transport.dropped).toBe(2);
  });

  test('empty messages have a bound, too: 1,024 wait', () => {
    for (let i = 0; i < 1_100; i += 1) socket.receive('');
    expect(transport.dropped).toBe(76);
    transport.start(handler);
    expect(handler.messages).toHaveLength(1_024);
  });

  test('one message waits whatever its size', () => {
    socket.receive(Buffer.alloc(1024 * KIB), 'x');
    expect(transport.dropped).toBe(1);
    transport.start(handler);
    expect(handler.messages.map(({ bytes }) => bytes.length)).toEqual([1024 * KIB]);
  });

  test('a pause at a message keeps back those behind it, in order', () => {
    socket.receive('a', 'b', 'c');
    handler.onMessage = (bytes, opcode) => {
      RecordingHandler.prototype.onMessage.call(handler, bytes, opcode);
      transport.pause();
    };
    transport.start(handler);
    expect(texts()).toEqual(['a']);
    socket.receive('d');
    for (let i = 0; i < 3; i += 1) transport.resume();
    expect(texts()).toEqual(['a', 'b', 'c', 'd']);
  });

  test('a pause and a resume inside a delivery deliver nothing twice', () => {
    socket.receive('a', 'b', 'c');
    handler.onMessage = (bytes, opcode) => {
      RecordingHandler.prototype.onMessage.call(handler, bytes, opcode);
      transport.pause();
      transport.resume();
    };
    transport.start(handler);
    expect(texts().sort()).toEqual(['a', 'b', 'c']);
  });

  test.each(['end', 'destroy'] as const)('%s inside a delivery is the last; the rest is counted', (leave) => {
    socket.receive('a', 'b', 'c');
    handler.onMessage = (bytes, opcode) => {
      RecordingHandler.prototype.onMessage.call(handler, bytes, opcode);
      transport[leave]();
    };
    transport.start(handler);
    socket.receive('d');
    expect(texts()).toEqual(['a']);
    expect(transport.dropped).toBe(2);
  });

  test('an error before the start is told by the start, once', async () => {
    const error = new Error('refused');
    socket.events.onError(error);
    transport.start(handler);
    await microtasks();
    expect(handler.events).toEqual(['close']);
    expect(handler.closedWith).toBe(error);
  });
});

describe('a message that the system finds too large', () => {
  test('is a Fault that closes with 1009 and names the numbers', () => {
    const error = Object.assign(new Error('send EMSGSIZE'), { code: 'EMSGSIZE' });
    const fault = oversize(error, 70_000, 65_507);
    expect(fault).toBeInstanceOf(Fault);
    expect(fault).toMatchObject({
      code: 'message-too-large',
      close: 1009,
      details: { actual: 70_000, maximum: 65_507 },
    });
  });

  test('is no other error', () => {
    const error = Object.assign(new Error('send ENOBUFS'), { code: 'ENOBUFS' });
    expect(oversize(error, 1, 2)).toBe(error);
  });
});
