/** UDP sockets as the daemon has them, against peers on loopback. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, isIPv6 } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Fault } from '../../src/errors.ts';
import { UdpSocket } from '../../src/transports/udp.ts';
import { RecordingEvents, turns } from '../support/datagram-events.ts';
import { refusingUdp, UdpPeer } from '../support/dgram-peer.ts';
import { hasIPv6, until } from '../support/sockets.ts';

const ipv6 = await hasIPv6();

interface Client {
  readonly socket: UdpSocket;
  readonly events: RecordingEvents;
  /** Node's. */
  readonly inner: Socket;
  /** For the peer: who this is. */
  readonly name: string;
}

async function connected(host: string, port: number, family: 4 | 6 = 4): Promise<Client> {
  const inner = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  inner.connect(port, host);
  await once(inner, 'connect');
  const socket = new UdpSocket(inner, family);
  const events = new RecordingEvents(socket);
  let open = true;
  inner.once('close', () => {
    open = false;
  });
  onTestFinished(() => {
    if (open) inner.close();
  });
  const own = inner.address() as AddressInfo;
  return { socket, events, inner, name: `${own.port} ${own.address}` };
}

async function listening(host = '127.0.0.1'): Promise<UdpPeer> {
  const peer = await UdpPeer.listen(host);
  onTestFinished(() => peer.close());
  return peer;
}

describe('towards the peer', () => {
  test('messages leave in the order in which they were given, the empty ones too, each told with its size', async () => {
    const peer = await listening();
    const { socket, events } = await connected(peer.host, peer.port);
    const texts = Array.from({ length: 100 }, (_, i) => (i % 10 === 0 ? '' : `message ${i}`));
    for (const text of texts) socket.send(Buffer.from(text));
    expect((await peer.takeMany(100)).map(({ bytes }) => bytes.toString())).toEqual(texts);
    await until('all to be told', () => events.sent.length === 100);
    expect(events.sent).toEqual(texts.map((text) => text.length));
    expect(events.errors).toEqual([]);
  });

  test('nothing is told before `send` returns', async () => {
    const peer = await listening();
    const { socket, events } = await connected(peer.host, peer.port);
    socket.send(Buffer.from('x'));
    expect(events.count).toBe(0);
    await until('it to be told', () => events.sent.length === 1);
  });

  const addresses = [
    ['IPv4', '127.0.0.1', '127.0.0.1', 4, 65_507],
    ['IPv6', '::1', '::1', 6, 65_527],
    ['IPv4 mapped into IPv6', '127.0.0.1', '::ffff:127.0.0.1', 4, 65_507],
  ] as const;
  test.each(addresses.filter(([, , host]) => ipv6 || host === '127.0.0.1'))(
    'over %s the maximum is what goes through, and one byte more is message-too-large',
    async (_what, at, host, family, maximum) => {
      const peer = await listening(at);
      const { socket, events } = await connected(host, peer.port, family);
      expect(socket.maximum).toBe(maximum);
      const largest = Buffer.alloc(maximum, 'm');
      socket.send(largest);
      expect((await peer.take()).bytes.equals(largest)).toBe(true);
      socket.send(Buffer.alloc(maximum + 1));
      const error = await events.error();
      expect(error).toBeInstanceOf(Fault);
      expect(error).toMatchObject({
        code: 'message-too-large',
        close: 1009,
        details: { actual: maximum + 1, maximum },
      });
      expect(events.sent).toEqual([maximum]);
    },
  );

  test('an ICMP refusal is an error, told once, and nothing after it', async () => {
    const refusing = await refusingUdp();
    onTestFinished(refusing.release);
    const { socket, events } = await connected('127.0.0.1', refusing.port);
    socket.send(Buffer.from('anybody there?'));
    expect((await events.error()).code).toBe('ECONNREFUSED');
    await turns();
    expect(events.errors).toHaveLength(1);
  });
});

describe('from the peer', () => {
  test('each datagram is a message, in order, the empty ones and the largest too', async () => {
    const peer = await listening();
    const { events, name } = await connected(peer.host, peer.port);
    const largest = 'm'.repeat(65_507);
    for (const text of ['one', '', largest, 'two']) peer.send(name, text);
    expect(await events.take(4)).toEqual(['one', '', largest, 'two']);
  });

  test('two clients get their own answers, and no others', async () => {
    const peer = await listening();
    const [a, b] = [await connected(peer.host, peer.port), await connected(peer.host, peer.port)];
    for (let i = 0; i < 20; i += 1) {
      peer.send(a.name, `a${i}`);
      peer.send(b.name, `b${i}`);
    }
    expect(await a.events.take(20)).toEqual(Array.from({ length: 20 }, (_, i) => `a${i}`));
    expect(await b.events.take(20)).toEqual(Array.from({ length: 20 }, (_, i) => `b${i}`));
  });

  test('alone: what somebody else sends does not come', async () => {
    const [peer, stranger] = [await listening(), await listening()];
    const { events, name } = await connected(peer.host, peer.port);
    stranger.send(name, 'forged');
    peer.send(name, 'real');
    expect(await events.take(1)).toEqual(['real']);
    await turns();
    expect(events.texts).toEqual(['real']);
  });
});

describe('closed', () => {
  test('while messages are under way, it tells nothing more', async () => {
    const peer = await listening();
    const { socket, events, inner, name } = await connected(peer.host, peer.port);
    peer.send(name, 'unread');
    for (let i = 0; i < 50; i += 1) socket.send(Buffer.alloc(1_000));
    const gone = once(inner, 'close');
    socket.close();
    await gone;
    await turns();
    expect(events.count).toBe(0);
  });

  test('while a message that is too large is under way, it tells nothing more', async () => {
    const peer = await listening();
    const { socket, events, inner } = await connected(peer.host, peer.port);
    socket.send(Buffer.alloc(65_508));
    const gone = once(inner, 'close');
    socket.close();
    await gone;
    await turns();
    expect(events.count).toBe(0);
  });

  test('at a message, that was the last one', async () => {
    const peer = await listening();
    const { socket, events, inner, name } = await connected(peer.host, peer.port);
    const gone = once(inner, 'close');
    const record = events.onDatagram.bind(events);
    events.onDatagram = (message) => {
      record(message);
      socket.close();
    };
    for (const text of ['a', 'b', 'c']) peer.send(name, text);
    await gone;
    await turns();
    expect(events.texts).toEqual(['a']);
  });
});
