/** Clients and a peer of datagrams, with the daemon between them: one message is one datagram, whatever the kind. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { turns } from './support/datagram-events.ts';
import { built, refusingUdp, UdpPeer, UnixPeer } from './support/dgram-peer.ts';
import { serve, unsent, until } from './support/in-process.ts';
import { FramingFolder } from './support/peer.ts';
import {
  BINARY,
  clientClose,
  clientFrame,
  PING,
  PONG,
  type RawClient,
  request,
  TEXT,
} from './support/raw-client.ts';

type Peer = UdpPeer | UnixPeer;

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'ws-dgram-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function udp(): Promise<UdpPeer> {
  const peer = await UdpPeer.listen();
  onTestFinished(() => peer.close());
  return peer;
}

async function unix(): Promise<UnixPeer> {
  const peer = await UnixPeer.listen(join(temporary(), 'peer'));
  onTestFinished(() => peer.close());
  return peer;
}

/** A message, so that the peer learns where the client is. */
async function greet(client: RawClient, peer: Peer): Promise<string> {
  client.send(clientFrame(BINARY, 'hello'));
  const { from, bytes } = await peer.take();
  expect(bytes.toString()).toBe('hello');
  return from;
}

const KINDS: readonly (readonly [string, () => Promise<Peer>])[] = built
  ? [
      ['udp', udp],
      ['unix-dgram', unix],
    ]
  : [['udp', udp]];

describe.each(KINDS)('a peer of %s', (_kind, bind) => {
  test('gets each message as one datagram, fragments collected, empty ones too', async () => {
    const peer = await bind();
    const client = await (await serve({ peer: peer.address })).open();
    client.send(
      clientFrame(TEXT, 'one'),
      clientFrame(BINARY, ''),
      clientFrame(BINARY, 'fr', { fin: false }),
      clientFrame(0, 'ag', { fin: false }),
      clientFrame(0, 'ments'),
      clientFrame(TEXT, ''),
    );
    const came = await peer.takeMany(4);
    expect(came.map(({ bytes }) => bytes.toString())).toEqual(['one', '', 'fragments', '']);
  });

  test('sends each datagram as one message; auto: text if it is UTF-8, else binary', async () => {
    const peer = await bind();
    const client = await (await serve({ peer: peer.address })).open();
    const from = await greet(client, peer);
    for (const bytes of [Buffer.from('text'), Buffer.from([0xff]), Buffer.alloc(0)]) peer.send(from, bytes);
    await client.expectMessage(TEXT, 'text');
    await client.expectMessage(BINARY, Buffer.from([0xff]));
    expect((await client.readFrame()).payload).toHaveLength(0);
    await client.expectOpen();
  });

  test('sends only binary messages where the framing is binary', async () => {
    const peer = await bind();
    const client = await (await serve({ peer: peer.address, framing: 'binary' })).open();
    peer.send(await greet(client, peer), 'text');
    await client.expectMessage(BINARY, 'text');
  });

  test('is framed for its type alone: a framing that would cut does not', async () => {
    const folder = new FramingFolder();
    onTestFinished(() => folder.remove());
    const peer = await bind();
    const framing = folder.write('bytes', 'return 1;', 'text');
    const client = await (await serve({ peer: peer.address, framing })).open();
    peer.send(await greet(client, peer), 'whole');
    await client.expectMessage(TEXT, 'whole');
  });

  test('is not heard where the framing discards', async () => {
    const folder = new FramingFolder();
    onTestFinished(() => folder.remove());
    const peer = await bind();
    const framing = folder.write(
      'picky',
      `this.type = buffer[start] === 0x2d ? 'discard' : 'binary'; return end - start;`,
    );
    const client = await (await serve({ peer: peer.address, framing })).open();
    const from = await greet(client, peer);
    peer.send(from, '-no');
    peer.send(from, 'yes');
    await client.expectMessage(BINARY, 'yes');
  });

  test('ends with 1011 where the framing throws', async () => {
    const folder = new FramingFolder();
    onTestFinished(() => folder.remove());
    const peer = await bind();
    const served = await serve({
      peer: peer.address,
      framing: folder.write('bad', `throw new Error('no');`),
    });
    const client = await served.open();
    peer.send(await greet(client, peer), 'x');
    await client.expectClosedByServer(1011);
    client.stream.end();
    expect(await served.ended()).toMatchObject({ why: 'framing-failed' });
  });

  test('keeps 1,000 messages in order both ways, none merged or cut', async () => {
    const peer = await bind();
    const client = await (await serve({ peer: peer.address })).open();
    let from = '';
    // In tens: UDP may lose what its receiver is too slow for.
    for (let i = 0; i < 1_000; i += 10) {
      const texts = Array.from({ length: 10 }, (_, k) => `message ${i + k}`);
      client.send(...texts.map((text) => clientFrame(BINARY, text)));
      const came = await peer.takeMany(10);
      expect(came.map(({ bytes }) => bytes.toString())).toEqual(texts);
      from = came[0]!.from;
      for (const text of texts) peer.send(from, text);
      for (const text of texts) await client.expectMessage(TEXT, text);
    }
  });

  test('answers two clients at once, each only its own', async () => {
    const peer = await bind();
    const served = await serve({ peer: peer.address });
    const [a, b] = [await served.open(), await served.open()];
    const [fromA, fromB] = [await greet(a, peer), await greet(b, peer)];
    expect(fromA).not.toBe(fromB);
    for (let i = 0; i < 20; i += 1) {
      peer.send(fromB, `b${i}`);
      peer.send(fromA, `a${i}`);
    }
    for (let i = 0; i < 20; i += 1) {
      await a.expectMessage(TEXT, `a${i}`);
      await b.expectMessage(TEXT, `b${i}`);
    }
  });

  test('alone gets through to the client: a third party does not', async () => {
    const [peer, stranger] = [await bind(), await bind()];
    const client = await (await serve({ peer: peer.address })).open();
    const from = await greet(client, peer);
    stranger.send(from, 'forged');
    if (stranger instanceof UnixPeer) await until('the refusal', () => stranger.errors.length > 0);
    peer.send(from, 'real');
    await client.expectMessage(TEXT, 'real');
  });

  test('that has gone is told to the client by 1011; the daemon goes on', async () => {
    const peer = await bind();
    const served = await serve({ peer: peer.address });
    const client = await served.open();
    await greet(client, peer);
    if (peer instanceof UdpPeer) await peer.refuse();
    else await peer.close();
    client.send(clientFrame(BINARY, 'anybody there?'));
    await client.expectClosedByServer(1011);
    client.stream.end();
    expect(await served.ended()).toMatchObject({ why: 'peer-failed' });
    expect(served.daemon.connections).toBe(0);
  });

  test('that floods a client which does not read costs bounded memory; drops are counted and told', async () => {
    const peer = await bind();
    const served = await serve({ peer: peer.address, framing: 'binary' });
    const client = await served.open();
    const from = await greet(client, peer);
    client.stream.socket.pause();
    const sink = served.socketTo(client);
    const warned = () => served.lines.some((line) => line.includes('datagrams are dropped'));
    for (let i = 0; !warned() && i < 5_000; i += 1) {
      peer.send(from, Buffer.alloc(32_000, i));
      if (i % 8 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await served.logged(/datagrams are dropped/);
    expect(unsent(sink)).toBeLessThan(1024 * 1024);
    client.stream.destroy();
    expect(Number((await served.ended())['dropped'])).toBeGreaterThan(0);
    expect(served.lines.filter((line) => line.includes('datagrams are dropped'))).toHaveLength(1);
  });

  test('loses to a slow client exactly what is counted as dropped: received and dropped are sent', async () => {
    const peer = await bind();
    const served = await serve({ peer: peer.address, framing: 'binary' });
    const client = await served.open();
    const from = await greet(client, peer);
    client.stream.socket.pause();
    const sink = served.socketTo(client);
    let sent = 0;
    /** So few at a time that the kernel has room for all of them, so that only the daemon drops any. */
    const send = async (count: number) => {
      for (let i = 0; i < count; i += 1) {
        peer.send(from, Buffer.alloc(8_000, `${sent};`));
        sent += 1;
      }
      // What the peer was told to do has been done, and the daemon has read it.
      if (peer instanceof UnixPeer) await peer.goOn();
      await turns(3);
    };
    const warned = () => served.lines.some((line) => line.includes('datagrams are dropped'));
    while (!warned()) await send(8);
    for (let i = 0; i < 5; i += 1) await send(8);
    client.stream.socket.resume();
    await until('the client to have taken what was kept', () => unsent(sink) === 0);
    peer.send(from, 'the end');
    sent += 1;
    const numbers: number[] = [];
    for (;;) {
      const { payload } = await client.readFrame();
      if (payload.toString() === 'the end') break;
      numbers.push(Number.parseInt(payload.toString('latin1', 0, 8), 10));
      expect(payload.equals(Buffer.alloc(8_000, `${numbers.at(-1)};`))).toBe(true);
    }
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    client.send(clientClose(1000));
    await client.expectCloseEcho(1000);
    client.stream.end();
    expect(Number((await served.ended())['dropped'])).toBe(sent - 1 - numbers.length);
  });

  test('that sends and sends does not stand in for the client: Pings go on, and one unanswered is the end', async () => {
    const peer = await bind();
    const served = await serve({ peer: peer.address, keepalive: 500, framing: 'binary' });
    const client = await served.open();
    const from = await greet(client, peer);
    const stream = setInterval(() => peer.send(from, 'news'), 50);
    onTestFinished(() => clearInterval(stream));
    /** Reads to the next Ping; news on the way. */
    const ping = async () => {
      for (;;) {
        const { opcode, payload } = await client.readFrame();
        if (opcode === PING) return payload;
        expect(payload.toString()).toBe('news');
      }
    };
    for (let i = 0; i < 2; i += 1) client.send(clientFrame(PONG, await ping()));
    await ping();
    expect(await served.ended()).toMatchObject({ why: 'client-silent' });
  });

  test('gets what is queued when the daemon stops', async () => {
    const peer = await bind();
    const served = await serve({ peer: peer.address });
    const client = await served.open();
    await greet(client, peer);
    if (peer instanceof UnixPeer) await peer.hold();
    for (let i = 0; i < 30; i += 1) client.send(clientFrame(BINARY, `last ${i}`));
    await client.expectOpen();
    const stopped = served.daemon.stop();
    expect((await client.readClose()).code).toBe(1001);
    client.send(clientClose(1001));
    if (peer instanceof UnixPeer) await peer.goOn();
    const came = await peer.takeMany(30);
    expect(came.map(({ bytes }) => bytes.toString())).toEqual(came.map((_, i) => `last ${i}`));
    client.stream.end();
    await stopped;
    expect(await served.ended()).toMatchObject({ why: 'stopping' });
    expect(await served.ended()).not.toHaveProperty('undelivered-up');
  });
});

describe('UDP', () => {
  test('carries 65,507 bytes both ways; a message of one more is 1009', async () => {
    const peer = await udp();
    const served = await serve({ peer: peer.address, framing: 'binary' });
    const client = await served.open();
    client.send(clientFrame(BINARY, Buffer.alloc(65_507, 7)));
    const { from, bytes } = await peer.take();
    expect(bytes).toHaveLength(65_507);
    peer.send(from, bytes);
    await client.expectMessage(BINARY, bytes);
    client.send(clientFrame(BINARY, Buffer.alloc(65_508)));
    await client.expectFailed(1009);
    client.stream.end();
    expect(await served.ended()).toMatchObject({ why: 'message-too-large' });
  });

  test('to a port where nobody is ends with 1011 at the ICMP refusal', async () => {
    const refusing = await refusingUdp();
    onTestFinished(refusing.release);
    const served = await serve({ peer: `udp://127.0.0.1:${refusing.port}` });
    const client = await served.open();
    client.send(clientFrame(BINARY, 'hello'));
    await client.expectClosedByServer(1011);
    client.stream.end();
    expect(await served.ended()).toMatchObject({ why: 'peer-failed' });
  });
});

describe.skipIf(!built)('Unix datagrams', () => {
  test('which the peer never takes do not keep the daemon from stopping, and are counted', async () => {
    const peer = await unix();
    const served = await serve({ peer: peer.address, limits: { drainTimeout: 300 } });
    const client = await served.open();
    await greet(client, peer);
    await peer.hold();
    // More than a peer's queue holds, less than holds the client back: only then is all of it with the daemon.
    const room = Number(readFileSync('/proc/sys/net/unix/max_dgram_qlen', 'latin1'));
    const count = room + 100;
    for (let i = 0; i < count; i += 1) client.send(clientFrame(BINARY, '12345'));
    await client.expectOpen();
    const stopped = served.daemon.stop();
    expect((await client.readClose()).code).toBe(1001);
    client.send(clientClose(1001));
    await stopped;
    const ended = await served.ended();
    expect(ended['why']).toBe('stopping');
    const undelivered = Number(ended['undelivered-up']);
    expect(undelivered).toBeGreaterThan(0);
    await peer.goOn();
    await until('the rest', () => peer.all.length * 5 + undelivered >= 5 * (1 + count));
    expect((peer.all.length - 1) * 5 + undelivered).toBe(5 * count);
  });

  test('reach a peer that was restarted from the next client on; for the others it has gone', async () => {
    const old = await unix();
    const served = await serve({ peer: old.address });
    const before = await served.open();
    await greet(before, old);
    await old.close();
    const restarted = await UnixPeer.listen(old.path);
    onTestFinished(() => restarted.close());
    const after = await served.open();
    restarted.send(await greet(after, restarted), 'back');
    await after.expectMessage(TEXT, 'back');
    before.send(clientFrame(BINARY, 'still there?'));
    await before.expectClosedByServer(1011);
    before.stream.end();
    expect(await served.ended(1)).toMatchObject({
      why: 'peer-failed',
      message: '"send ECONNREFUSED"',
    });
    await after.expectOpen();
    expect(restarted.all).toHaveLength(1);
  });

  test('have backpressure towards the peer: the client is held back, nothing is lost', async () => {
    const peer = await unix();
    const served = await serve({ peer: peer.address });
    const client = await served.open();
    await greet(client, peer);
    await peer.hold();
    const count = 3_000;
    const size = 8_000;
    client.send(...Array.from({ length: count }, (_, i) => clientFrame(BINARY, Buffer.alloc(size, `${i};`))));
    await until('the client to be held back', () => served.socketTo(client).isPaused());
    expect(served.socketTo(client).bytesRead).toBeLessThan(count * size);
    await peer.goOn();
    const came = await peer.takeMany(count);
    expect(came.every(({ bytes }, i) => bytes.equals(Buffer.alloc(size, `${i};`)))).toBe(true);
  });

  test('carry 400,000 bytes both ways, at least; what the system cannot send as one is 1009', async () => {
    const peer = await unix();
    const served = await serve({ peer: peer.address, framing: 'binary' });
    const client = await served.open();
    client.send(clientFrame(BINARY, Buffer.alloc(400_000, 7)));
    const { from, bytes } = await peer.take();
    expect(bytes.equals(Buffer.alloc(400_000, 7))).toBe(true);
    peer.send(from, bytes);
    await client.expectMessage(BINARY, bytes);
    // Over every send buffer that we ask for, or over what the kernel has in one piece (ENOBUFS).
    const wmem = Number(readFileSync('/proc/sys/net/core/wmem_max', 'latin1'));
    client.send(clientFrame(BINARY, Buffer.alloc(Math.min(2 * wmem, 15 << 20))));
    expect((await client.readClose()).code).toBe(1009);
    client.send(clientClose(1009));
    client.stream.end();
    expect(await served.ended()).toMatchObject({ why: 'message-too-large' });
  });

  test('have no memory in one piece for the largest, which is 1009, or carry it', async () => {
    const peer = await unix();
    const served = await serve({ peer: peer.address });
    const client = await served.open();
    await greet(client, peer);
    const wmem = Number(readFileSync('/proc/sys/net/core/wmem_max', 'latin1'));
    const size = Math.min(2 * wmem - 32, 15 << 20);
    client.send(clientFrame(BINARY, Buffer.alloc(size)));
    const refused = client.readClose().then(
      ({ code }) => code,
      () => undefined,
    );
    const first = await Promise.race([refused, peer.take().then(({ bytes }) => bytes.length)]);
    expect([1009, size]).toContain(first);
  });

  test('reach an abstract name', async () => {
    const peer = await UnixPeer.listen(`@websocksy-test-${process.pid}`);
    onTestFinished(() => peer.close());
    const client = await (await serve({ peer: peer.address })).open();
    const from = await greet(client, peer);
    expect(from[0]).toBe('\0');
    peer.send(from, 'back');
    await client.expectMessage(TEXT, 'back');
  });

  test('bind a path in dgram-dir that all may answer to, and remove it', async () => {
    const [peer, dgramDir] = [await unix(), temporary()];
    const served = await serve({ peer: peer.address, dgramDir });
    const client = await served.open();
    const from = await greet(client, peer);
    const [name] = readdirSync(dgramDir);
    expect(from.replace(/\0$/, '')).toBe(join(dgramDir, name!));
    expect(statSync(join(dgramDir, name!)).mode & 0o777).toBe(0o666);
    peer.send(from.replace(/\0$/, ''), 'back');
    await client.expectMessage(TEXT, 'back');
    client.send(clientClose(1000));
    await client.expectCloseEcho(1000);
    await until('an empty folder', () => readdirSync(dgramDir).length === 0);
  });

  test('leave nothing in dgram-dir for a peer that is not there, which is a 502', async () => {
    const dgramDir = temporary();
    const served = await serve({ peer: `unix-dgram://${join(dgramDir, 'nobody')}`, dgramDir });
    const client = await served.connect();
    client.send(request());
    await client.expectRefused(502);
    client.stream.end();
    expect(readdirSync(dgramDir)).toEqual([]);
    expect(await served.ended()).toMatchObject({ why: 'dial-failed', errors: 'ENOENT' });
  });

  test('name the folder, not the peer, when dgram-dir is what is missing', async () => {
    const peer = await unix();
    const served = await serve({ peer: peer.address, dgramDir: '/nonexistent' });
    const client = await served.connect();
    client.send(request());
    await client.expectRefused(502);
    client.stream.end();
    expect(await served.ended()).toMatchObject({ errors: '"/nonexistent: bind ENOENT"' });
  });
});
