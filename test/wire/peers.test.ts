/** Peers of the kinds that the C daemon knows, each with the built daemon in front of it. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ByteStream } from '../support/byte-stream.ts';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { serve } from '../support/in-process.ts';
import { unansweringPort } from '../support/peer.ts';
import { BINARY, clientFrame, RawClient, request, TEXT } from '../support/raw-client.ts';
import { TcpPeer } from '../support/tcp-peer.ts';

async function start(...options: string[]): Promise<Daemon> {
  const daemon = await startDaemon(options.flatMap((option) => ['-c', option]));
  onTestFinished(() => daemon.stop('SIGKILL').then(() => {}));
  return daemon;
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'ws-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

describe('a peer without a scheme', () => {
  test('in the configuration is taken as TCP, and the log says so', async () => {
    const peer = await TcpPeer.listen();
    onTestFinished(() => peer.close());
    const address = peer.address.replace('tcp://', '');
    const daemon = await start(`host=${address}`);
    await RawClient.open(daemon);
    await peer.accept();
    expect(daemon.output()).toMatch(/ warn .*names no scheme and is taken as tcp:/);
    expect(daemon.output()).toContain(address);
  });

  test('in a target file is taken as TCP, and the log says so, by file and line', async () => {
    const peer = await TcpPeer.listen();
    onTestFinished(() => peer.close());
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'chat'), `# a chat\n${peer.address.replace('tcp://', '')} *\n`);
    const daemon = await startDaemon(['-b', 'file', '-c', `path=${folder}`, '-c', 'expression=%endpoint%']);
    onTestFinished(() => daemon.stop('SIGKILL').then(() => {}));
    await RawClient.open(daemon);
    await peer.accept();
    expect(daemon.output()).toMatch(/ warn .*chat:2: the peer .*names no scheme and is taken as tcp:/);
  });
});

test('a Unix socket is a stream, both ways', async () => {
  const path = join(temporaryFolder(), 'peer');
  const server = createServer({ allowHalfOpen: true }).listen(path);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const daemon = await start(`host=unix://${path}`);
  const accepted = once(server, 'connection');
  const client = await RawClient.open(daemon);
  const peer = new ByteStream((await accepted)[0]);
  client.send(clientFrame(TEXT, 'to the peer'));
  expect(String(await peer.take(11))).toBe('to the peer');
  peer.write('to the client');
  await client.expectMessage(TEXT, 'to the client');
  peer.end();
  await client.expectClosedByServer(1000);
});

describe('a UDP peer', () => {
  /** A peer, and a client whose address the peer knows, since it has sent `hello`. */
  async function bridge(...options: string[]) {
    const peer = createSocket('udp4');
    peer.bind(0, '127.0.0.1');
    await once(peer, 'listening');
    onTestFinished(() => void peer.close());
    const received = new Received(peer);
    const daemon = await start(`host=udp://127.0.0.1`, `port=${peer.address().port}`, ...options);
    const client = await RawClient.open(daemon);
    client.send(clientFrame(TEXT, 'hello'));
    const [hello, from] = await received.next();
    expect(String(hello)).toBe('hello');
    const answer = (...messages: string[]) => {
      for (const message of messages) peer.send(message, from.port, from.address);
    };
    return { client, received, answer };
  }

  test('gets each message as one datagram, an empty one too', async () => {
    const { client, received } = await bridge();
    const large = Buffer.alloc(20_000, 'x');
    client.send(
      clientFrame(BINARY, 'a'),
      clientFrame(TEXT, ''),
      clientFrame(BINARY, 'b'),
      clientFrame(BINARY, large),
    );
    for (const expected of ['a', '', 'b', String(large)]) {
      expect(String((await received.next())[0])).toBe(expected);
    }
  });

  test('sends each datagram as one message, an empty one too, and none is merged or cut', async () => {
    const { client, answer } = await bridge('framing=newline', 'framing-config=lf');
    answer('one\ntwo', '', 'three', 'x'.repeat(20_000));
    await client.expectMessage(TEXT, 'one\ntwo');
    expect((await client.readFrame()).payload).toHaveLength(0);
    await client.expectMessage(TEXT, 'three');
    await client.expectMessage(TEXT, 'x'.repeat(20_000));
  });
});

/** What a socket receives, one datagram after the other. */
class Received {
  readonly #datagrams: [Buffer, RemoteInfo][] = [];
  #wake = () => {};

  constructor(socket: Socket) {
    socket.on('message', (message, from) => {
      this.#datagrams.push([message, from]);
      this.#wake();
    });
  }

  async next(): Promise<[Buffer, RemoteInfo]> {
    while (this.#datagrams.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#datagrams.shift()!;
  }
}

test('a peer that does not answer holds up nobody but those who need it', async () => {
  const sleeper = await unansweringPort();
  const peers = await TcpPeer.listen();
  const served = await serve({
    backend: {
      query: async ({ path }) => ({
        peer: path === '/asleep' ? `tcp://127.0.0.1:${sleeper.port}` : peers.address,
      }),
    },
    limits: { dialTimeout: 60_000 },
  });
  const waiting = await served.connect();
  waiting.send(request({ requestLine: 'GET /asleep HTTP/1.1' }));
  for (let i = 0; i < 5; i += 1) {
    const client = await served.open();
    client.send(clientFrame(BINARY, 'hello'));
    expect(String(await (await peers.accept()).take(5))).toBe('hello');
    client.stream.destroy();
  }
  expect(waiting.stream.ending).toBe('open');
  waiting.stream.destroy();
  await peers.close();
  await sleeper.release();
});
