/** Unix datagram sockets as the daemon has them, against a peer that reads, holds, leaves, or never pauses. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { Fault } from '../../src/errors.ts';
import type { DatagramSocket } from '../../src/transports/datagram.ts';
import { native } from '../../src/transports/native.ts';
import { openUnixDatagram } from '../../src/transports/unix-dgram.ts';
import { RecordingEvents, turns } from '../support/datagram-events.ts';
import { built, UnixPeer } from '../support/dgram-peer.ts';
import { until } from '../support/sockets.ts';

/** More than the queue of a peer holds. */
const MANY = built ? 100 + 2 * Number(readFileSync('/proc/sys/net/unix/max_dgram_qlen', 'latin1')) : 0;
const EAGAIN = -11;
const READABLE = 1;
const WRITABLE = 2;

interface Client {
  readonly socket: DatagramSocket;
  readonly events: RecordingEvents;
}

let folder: string;
let peer: UnixPeer;

function open(dgramDir?: string): Client {
  const socket = openUnixDatagram(peer.path, dgramDir);
  onTestFinished(() => socket.close());
  return { socket, events: new RecordingEvents(socket) };
}

/** For the peer: who this is. */
async function greet({ socket }: Client): Promise<string> {
  socket.send(Buffer.from('hello'));
  return (await peer.take()).from;
}

async function here(at: string): Promise<UnixPeer> {
  const made = await UnixPeer.listen(at);
  onTestFinished(() => made.close());
  return made;
}

describe.skipIf(!built)('a Unix datagram socket', () => {
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ws-ud-'));
    const made = folder;
    onTestFinished(() => rmSync(made, { recursive: true, force: true }));
    peer = await here(join(folder, 'peer'));
  });

  describe('towards the peer', () => {
    test('sends at once what there is room for, in order, the empty ones too', async () => {
      const { socket, events } = open();
      for (const text of ['one', '', 'three']) socket.send(Buffer.from(text));
      expect(events.sent).toEqual([3, 0, 5]);
      expect((await peer.takeMany(3)).map(({ bytes }) => bytes.toString())).toEqual(['one', '', 'three']);
    });

    test('keeps what a peer that holds has no room for, and when it reads all of it leaves, in order', async () => {
      const { socket, events } = open();
      await peer.hold();
      const texts = Array.from({ length: MANY }, (_, i) => `message ${i}`);
      for (const text of texts) socket.send(Buffer.from(text));
      const taken = events.sent.length;
      expect(taken).toBeGreaterThan(0);
      expect(taken).toBeLessThan(MANY);
      await turns();
      expect(events.sent).toHaveLength(taken);
      await peer.goOn();
      expect((await peer.takeMany(MANY)).map(({ bytes }) => bytes.toString())).toEqual(texts);
      await until('all to be told', () => events.sent.length === MANY);
      expect(events.sent).toEqual(texts.map((text) => text.length));
      socket.send(Buffer.from('at once again'));
      expect(events.sent).toHaveLength(MANY + 1);
    });

    test('asks for room only while something waits for it', async () => {
      const watch = vi.spyOn(native(), 'watch');
      onTestFinished(() => watch.mockRestore());
      const { socket, events } = open();
      const asked = () => watch.mock.calls.map(([, wanted]) => wanted);
      expect(asked()).toEqual([READABLE]);
      socket.send(Buffer.from('x'));
      expect(asked()).toEqual([READABLE]);
      await peer.hold();
      for (let i = 1; i < MANY; i += 1) socket.send(Buffer.from('x'));
      expect(asked()).toEqual([READABLE, READABLE | WRITABLE]);
      await peer.goOn();
      await until('all to leave', () => events.sent.length === MANY);
      expect(asked().at(-1)).toBe(READABLE);
    });

    test('keeps the order behind a single one that waits, which leaves by itself', async () => {
      const { socket, events } = open();
      const send = vi.spyOn(native(), 'send').mockReturnValueOnce(EAGAIN);
      onTestFinished(() => send.mockRestore());
      socket.send(Buffer.from('first'));
      await until('it to leave', () => events.sent.length === 1);
      send.mockReturnValueOnce(EAGAIN);
      socket.send(Buffer.from('second'));
      socket.send(Buffer.from('third'));
      expect(events.sent).toEqual([5]);
      const came = await peer.takeMany(3);
      expect(came.map(({ bytes }) => bytes.toString())).toEqual(['first', 'second', 'third']);
    });

    test('keeps the order when more is given while what waited leaves', async () => {
      const { socket, events } = open();
      await peer.hold();
      let given = 0;
      const give = () => {
        socket.send(Buffer.from(String(given)));
        given += 1;
      };
      while (given < MANY) give();
      const record = events.onSent.bind(events);
      events.onSent = (bytes) => {
        record(bytes);
        if (given < 2 * MANY) give();
      };
      await peer.goOn();
      const came = await peer.takeMany(2 * MANY);
      expect(came.map(({ bytes }) => bytes.toString())).toEqual(came.map((_, i) => String(i)));
    });

    test('closed while messages wait, tells nothing more, and loses what waited', async () => {
      const { socket, events } = open();
      await peer.hold();
      for (let i = 0; i < MANY; i += 1) socket.send(Buffer.from(String(i)));
      const taken = events.count;
      socket.close();
      await peer.goOn();
      await peer.takeMany(taken);
      const other = open();
      await greet(other);
      // Behind what the first one sent: nothing of it came in between.
      expect(peer.all).toHaveLength(taken + 1);
      expect(events.count).toBe(taken);
    });

    test('closed at one of those that wait, sends none of the others', async () => {
      const { socket, events } = open();
      await peer.hold();
      for (let i = 0; i < MANY; i += 1) socket.send(Buffer.from(String(i)));
      const taken = events.sent.length;
      const record = events.onSent.bind(events);
      events.onSent = (bytes) => {
        record(bytes);
        socket.close();
      };
      await peer.goOn();
      await peer.takeMany(taken + 1);
      await greet(open());
      expect(peer.all).toHaveLength(taken + 2);
      expect(events.count).toBe(taken + 1);
    });

    test('finds one byte over its maximum too large for one datagram', async () => {
      const { socket, events } = open();
      socket.send(Buffer.alloc(socket.maximum + 1));
      expect(events.errors).toHaveLength(1);
      expect(events.errors[0]).toBeInstanceOf(Fault);
      expect(events.errors[0]).toMatchObject({
        code: 'message-too-large',
        close: 1009,
        details: { actual: socket.maximum + 1, maximum: socket.maximum },
      });
      expect(events.sent).toEqual([]);
    });

    test('does not find its maximum too large for one datagram; memory for it is another matter', () => {
      const { socket, events } = open();
      socket.send(Buffer.alloc(socket.maximum));
      const [error] = events.errors;
      if (error === undefined) expect(events.sent).toEqual([socket.maximum]);
      else expect(error).toMatchObject({ details: { actual: socket.maximum, message: 'send ENOBUFS' } });
    });

    test('finds a large message too large for which the system has no memory, and that alone', () => {
      const send = vi.spyOn(native(), 'send').mockReturnValue(-105); // ENOBUFS
      onTestFinished(() => send.mockRestore());
      const [large, small] = [open(), open()];
      large.socket.send(Buffer.alloc(65_537));
      expect(large.events.errors[0]).toMatchObject({
        code: 'message-too-large',
        details: { actual: 65_537, message: 'send ENOBUFS' },
      });
      small.socket.send(Buffer.alloc(65_536));
      expect(small.events.errors[0]).toMatchObject({
        code: 'ENOBUFS',
        syscall: 'send',
        message: 'send ENOBUFS',
      });
    });

    test('is told that the peer has gone when the next message is sent', async () => {
      const { socket, events } = open();
      await peer.close();
      socket.send(Buffer.from('anybody there?'));
      expect((await events.error()).code).toBe('ECONNREFUSED');
      await turns();
      expect(events.errors).toHaveLength(1);
      expect(events.sent).toEqual([]);
    });

    test('is told that the peer has gone while messages wait for it', async () => {
      const { socket, events } = open();
      await peer.hold();
      for (let i = 0; i < MANY; i += 1) socket.send(Buffer.from('x'));
      await peer.close();
      expect((await events.error()).code).toMatch(/^ECONN(REFUSED|RESET)$/);
      await turns();
      expect(events.errors).toHaveLength(1);
      expect(events.sent.length).toBeLessThan(MANY);
    });
  });

  describe('from the peer', () => {
    test('gets each datagram as it is, in order, the empty ones and large ones too', async () => {
      const client = open();
      const from = await greet(client);
      const large = 'm'.repeat(200_000);
      for (const text of ['one', '', large, 'two']) peer.send(from, text);
      expect(await client.events.take(4)).toEqual(['one', '', large, 'two']);
    });

    test.each(['an abstract name', 'a path'])(
      'two clients with %s get their own answers, and no others',
      async (what) => {
        const dgramDir = what === 'a path' ? folder : undefined;
        const [a, b] = [open(dgramDir), open(dgramDir)];
        const [fromA, fromB] = [await greet(a), await greet(b)];
        expect(fromA).not.toBe(fromB);
        for (let i = 0; i < 20; i += 1) {
          peer.send(fromA, `a${i}`);
          peer.send(fromB, `b${i}`);
        }
        expect(await a.events.take(20)).toEqual(Array.from({ length: 20 }, (_, i) => `a${i}`));
        expect(await b.events.take(20)).toEqual(Array.from({ length: 20 }, (_, i) => `b${i}`));
        expect(peer.errors).toEqual([]);
      },
    );

    test('closed at a datagram, that was the last one', async () => {
      const client = open();
      const from = await greet(client);
      const record = client.events.onDatagram.bind(client.events);
      client.events.onDatagram = (message) => {
        record(message);
        client.socket.close();
      };
      for (const text of ['a', 'b', 'c']) peer.send(from, text);
      await peer.hold();
      await turns();
      expect(client.events.texts).toEqual(['a']);
      expect(client.events.errors).toEqual([]);
    });

    test('reads 32 datagrams a turn of one that never pauses, and then timers have theirs', async () => {
      const client = open();
      const from = await greet(client);
      let calls = 0;
      // A peer quick enough for that cannot be had for sure. Were there no bound, this one would stop in the end.
      const receive = vi.spyOn(native(), 'receive').mockImplementation(() => {
        calls += 1;
        return calls < 10_000 ? Buffer.from('more') : EAGAIN;
      });
      onTestFinished(() => receive.mockRestore());
      const perTurn: number[] = [];
      peer.send(from, 'never taken, so that there is always something to read');
      while (calls === 0) await turns(1);
      for (let i = 0; i < 5; i += 1) {
        const before = calls;
        await turns(1);
        perTurn.push(calls - before);
      }
      expect(Math.max(...perTurn)).toBe(32);
      expect(calls % 32).toBe(0);
      expect(client.events.received).toHaveLength(calls);
    });

    describe('when the system reports an error of the socket', () => {
      let report: (events: number) => void;

      beforeEach(() => {
        const { open: openNative } = native();
        const spy = vi.spyOn(native(), 'open').mockImplementation((at, local, onReady) => {
          report = onReady;
          return openNative(at, local, onReady);
        });
        onTestFinished(() => spy.mockRestore());
      });

      /** A client for which these wait in the kernel. */
      async function unread(...texts: string[]): Promise<Client> {
        const client = open();
        const from = await greet(client);
        const receive = vi.spyOn(native(), 'receive').mockReturnValue(EAGAIN);
        for (const text of texts) peer.send(from, text);
        await peer.hold();
        receive.mockRestore();
        return client;
      }

      test('what came before is delivered, then the error is told', async () => {
        const { events } = await unread('a', 'b');
        report(-111);
        expect(events.texts).toEqual(['a', 'b']);
        expect(events.errors).toMatchObject([
          { code: 'ECONNREFUSED', syscall: 'poll', message: 'poll ECONNREFUSED' },
        ]);
      });

      test('nothing is told of it to one who leaves at what came before', async () => {
        const { socket, events } = await unread('a', 'b');
        const record = events.onDatagram.bind(events);
        events.onDatagram = (message) => {
          record(message);
          socket.close();
        };
        report(-111);
        expect(events.texts).toEqual(['a']);
        expect(events.errors).toEqual([]);
      });
    });

    test('an error of the system is told by its code and call', async () => {
      const client = open();
      const from = await greet(client);
      const receive = vi.spyOn(native(), 'receive').mockReturnValue(-12); // ENOMEM
      onTestFinished(() => receive.mockRestore());
      peer.send(from, 'x');
      expect(await client.events.error()).toMatchObject({
        code: 'ENOMEM',
        syscall: 'recv',
        message: 'recv ENOMEM',
      });
    });
  });

  describe('has an address', () => {
    test('of its own in a folder for as long as it is open', () => {
      const { socket } = open(folder);
      const [name, ...others] = readdirSync(folder).filter((each) => each !== 'peer');
      expect(name).toMatch(/^ws-[0-9a-f]{12}$/);
      expect(others).toEqual([]);
      const found = statSync(join(folder, name!));
      expect(found.isSocket()).toBe(true);
      expect(found.mode & 0o777).toBe(0o666);
      socket.close();
      expect(readdirSync(folder)).toEqual(['peer']);
      socket.close();
    });

    test.each(['an abstract name', 'a path'])(
      'that nobody has any more once it is closed: %s',
      async (what) => {
        const client = open(what === 'a path' ? folder : undefined);
        const from = await greet(client);
        client.socket.close();
        peer.send(from, 'still there?');
        await peer.hold();
        // ENOENT without the path; ECONNREFUSED without the name
        expect(peer.errors).toEqual([what === 'a path' ? '2' : '111']);
      },
    );

    test('of which nothing is left where it could be made, and not opened to the peer', () => {
      const spy = vi.spyOn(native(), 'open').mockImplementation((_at, local) => {
        writeFileSync(Buffer.from(local!), '');
        return { call: 'bind', error: -13 };
      });
      onTestFinished(() => spy.mockRestore());
      expect(() => open(folder)).toThrow(`${folder}: bind EACCES`);
      expect(readdirSync(folder)).toEqual(['peer']);
    });

    test('that somebody else may have tidied up', () => {
      const { socket } = open(folder);
      for (const name of readdirSync(folder)) if (name !== 'peer') unlinkSync(join(folder, name));
      expect(() => socket.close()).not.toThrow();
    });

    test('that is told by its folder where it cannot be had', () => {
      const missing = join(folder, 'missing');
      const refusal = (() => {
        try {
          return open(missing);
        } catch (error) {
          return error;
        }
      })();
      expect(refusal).toBeInstanceOf(Error);
      expect((refusal as Error).message).toBe(`${missing}: bind ENOENT`);
      expect(refusal).not.toHaveProperty('code');
    });

    test('nowhere for a peer that is not there', () => {
      const open = () => openUnixDatagram(join(folder, 'nobody'), folder);
      expect(open).toThrow(expect.objectContaining({ code: 'ENOENT', syscall: 'connect' }));
      expect(readdirSync(folder)).toEqual(['peer']);
    });

    test.each(['an abstract name', 'a path'])(
      'with %s of 107 bytes of which many are no ASCII',
      async (what) => {
        const start = what === 'a path' ? `${folder}/` : `@ws-${process.pid}-`;
        const room = 107 - Buffer.byteLength(start);
        const path = `${start}${'x'.repeat(room % 2)}${'\u00fc'.repeat(room >> 1)}`;
        expect(Buffer.byteLength(path)).toBe(107);
        peer = await here(path);
        const client = open();
        const from = await greet(client);
        peer.send(from, 'back');
        expect(await client.events.take(1)).toEqual(['back']);
      },
    );
  });
});
