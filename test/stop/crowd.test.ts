/**
 * SIGTERM to the built daemon while some hundred clients of every temper are connected. The oracle is the test's own: it
 * knows what each side has sent, compares what comes byte by byte, and finds the daemon's line for each client by its port.
 *
 * Each client gets 1001 behind a beginning of what its peer said, as long as the daemon says; where the daemon had read all
 * of it, that is all. Each peer gets all that its client sent before its answer to the Close. The status is 0.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { constants, deflateRawSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { compressedFrame } from '../support/deflate-client.ts';
import { FrameReader } from '../support/frame-reader.ts';
import { BINARY, CLOSE, clientClose, clientFrame, request } from '../support/raw-client.ts';
import { FLOOD, FLOOD_BYTES } from '../support/ws-wire.ts';

/** Each of them in so many connections. */
const EACH = 30;

/** For so much data, on a busy machine; only a failing test waits that long. */
const PATIENCE = 60_000;

/** Sizes that end a whole number of times in the pattern's 251 bytes, so that each side's stream is the pattern. */
const SMALL = 251 * 40;
const LARGE = 251 * 4_000;

const KINDS = {
  /** Nothing ever happens. */
  idle: {},
  /** The client sends a lot at the last moment. */
  'late client': { last: LARGE },
  /** The same, and goes on behind our Close. */
  'late client that goes on': { last: LARGE, behind: LARGE },
  /** Its peer does not read before the client has its Close. */
  'slow peer': { first: LARGE, last: 3 * LARGE, peerSleeps: true },
  /** The client has been sent something that the daemon has read, and reads it after the signal. */
  'slow client': { down: SMALL, clientSleeps: true },
  /** More than the daemon can have read. */
  'slower client': { down: 3 * LARGE, clientSleeps: true },
  /** Both ways at once, when the signal comes. */
  busy: { first: SMALL, last: LARGE, chatter: true },
  /** In the middle of a message, which the client then finishes. */
  'half a message': { last: SMALL, half: true },
  /** Compressed. */
  compressed: { last: LARGE, compression: true },
} as const satisfies Record<string, Temper>;

interface Temper {
  /** Bytes that the client sends, and the peer gets, before the signal. */
  readonly first?: number;
  /** Bytes that the client sends with the signal. */
  readonly last?: number;
  /** Bytes that the client sends behind our Close, before its own. */
  readonly behind?: number;
  /** Bytes that the peer sends before the signal. */
  readonly down?: number;
  readonly chatter?: boolean;
  readonly peerSleeps?: boolean;
  readonly clientSleeps?: boolean;
  readonly half?: boolean;
  readonly compression?: boolean;
}

/** Looks at what comes as the pattern, from where it is. */
class Seen {
  length = 0;

  take(bytes: Buffer, whose: string): void {
    const at = this.length % 251;
    for (let from = 0; from < bytes.length; ) {
      const piece = bytes.subarray(from, from + FLOOD_BYTES - 251);
      if (!piece.equals(FLOOD.subarray((at + from) % 251, ((at + from) % 251) + piece.length)))
        throw new Error(`${whose}: not what was sent, from byte ${this.length} on`);
      from += piece.length;
    }
    this.length += bytes.length;
  }
}

class Couple {
  readonly name: string;
  readonly temper: Temper;
  readonly client: Socket;
  readonly toClient = new Seen();
  readonly toPeer = new Seen();
  readonly #fail: (error: unknown) => void;
  #peer: Socket | undefined;
  #head = '';
  #reader: FrameReader;
  open = false;
  port = 0;
  sentUp = 0;
  sentDown = 0;
  code: number | undefined;
  clientEnded = false;
  peerEnded = false;
  #half: Buffer | undefined;

  constructor(name: string, temper: Temper, client: Socket, fail: (error: unknown) => void) {
    this.name = name;
    this.temper = temper;
    this.client = client;
    this.#fail = fail;
    this.#reader = new FrameReader({
      onPayload: (_opcode, bytes) => this.toClient.take(bytes, `client of ${name}`),
      onMessage: () => {},
      onControl: (opcode, payload) => {
        if (opcode === CLOSE) this.#closed(payload);
      },
    });
    client.on('error', fail);
    client.on('data', (bytes) => this.#guard(() => this.#clientBytes(bytes)));
    client.on('end', () => {
      this.clientEnded = true;
      client.end();
    });
    client.write(
      request({ add: temper.compression ? ['Sec-WebSocket-Extensions: permessage-deflate'] : [] }),
    );
  }

  get peer(): Socket {
    return this.#peer!;
  }

  attach(peer: Socket): void {
    this.#peer = peer;
    peer.on('error', (error) => this.#fail(new Error(`peer of ${this.name}: ${error.message}`)));
    peer.on('data', (bytes) => this.#guard(() => this.toPeer.take(bytes, `peer of ${this.name}`)));
    peer.on('end', () => {
      this.peerEnded = true;
      peer.end();
    });
  }

  sendUp(bytes: number): void {
    const payload = FLOOD.subarray(this.sentUp % 251, (this.sentUp % 251) + bytes);
    this.sentUp += bytes;
    if (this.temper.compression) {
      const deflated = deflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
      this.client.write(compressedFrame(BINARY, deflated));
    } else if (this.temper.half) {
      const frame = clientFrame(BINARY, payload);
      this.client.write(frame.subarray(0, frame.length >> 1));
      this.#half = frame.subarray(frame.length >> 1);
    } else {
      for (let at = 0; at < bytes; at += 50_000)
        this.client.write(clientFrame(BINARY, payload.subarray(at, at + 50_000)));
    }
  }

  sendDown(bytes: number): void {
    this.sentDown += bytes;
    this.peer.write(FLOOD.subarray(0, bytes));
  }

  chatter(): void {
    const more = () => {
      if (this.code !== undefined || !this.peer.writable) return;
      this.sendDown(SMALL);
      setImmediate(more);
    };
    more();
  }

  #closed(payload: Buffer): void {
    this.code = payload.readUInt16BE();
    if (this.#half !== undefined) this.client.write(this.#half);
    if (this.temper.behind !== undefined) this.sendUp(this.temper.behind);
    this.client.write(clientClose(this.code));
    this.peer.resume();
  }

  #clientBytes(bytes: Buffer): void {
    if (this.open) {
      this.#reader.push(bytes);
      return;
    }
    this.#head += bytes.toString('latin1');
    if (!this.#head.includes('\r\n\r\n')) return;
    // The daemon says nothing else before its Close.
    if (!this.#head.startsWith('HTTP/1.1 101 ')) throw new Error(`${this.name}: ${this.#head}`);
    this.port = this.client.localPort ?? 0;
    this.open = true;
  }

  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#fail(error);
    }
  }
}

/** The fields of the daemon's line about the connection from a port. */
function lineOf(daemon: Daemon, port: number): Record<string, string> {
  const line = daemon
    .output()
    .split('\n')
    .find((each) => / closed /.test(each) && each.includes(`client=127.0.0.1:${port} `));
  if (line === undefined) throw new Error(`no line for the client from port ${port}`);
  return Object.fromEntries([...line.matchAll(/ ([a-z-]+)=(\S+)/g)].map((found) => [found[1]!, found[2]!]));
}

test('a stop in the middle of it loses nothing, for no one', { timeout: 3 * PATIENCE }, async () => {
  let failure: unknown;
  const fail = (error: unknown) => {
    failure ??= error;
  };
  const untilSo = async (what: string, ready: () => boolean) => {
    for (const last = Date.now() + PATIENCE; !ready(); await sleep(2)) {
      if (failure !== undefined) throw failure;
      if (Date.now() > last) throw new Error(`waited ${PATIENCE} ms in vain for ${what}`);
    }
  };
  const peers: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => peers.push(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address() as AddressInfo;
  await using daemon = await startDaemon([
    ...['-b', 'default', '-c', `host=tcp://127.0.0.1:${address.port}`, '-c', 'framing=binary'],
    ...['--compression', 'on', '--compression-threshold', '999999999', '--drain', '60'],
  ]);
  const couples: Couple[] = [];
  onTestFinished(() => {
    for (const { client } of couples) client.destroy();
    for (const peer of peers) peer.destroy();
    server.close();
  });
  for (let round = 0; round < EACH; round += 1) {
    for (const [name, temper] of Object.entries<Temper>(KINDS)) {
      const client = connect({ port: daemon.port, host: '127.0.0.1', allowHalfOpen: true });
      const couple = new Couple(`${name} ${round}`, temper, client, fail);
      couples.push(couple);
      // One after the other, so that the next peer is this client's.
      await untilSo('an open connection', () => couple.open && peers.length === couples.length);
      couple.attach(peers.at(-1)!);
    }
  }
  const idle = couples[0]!;
  for (const couple of couples) {
    const { temper, client, peer } = couple;
    if (temper.clientSleeps) client.pause();
    if (temper.peerSleeps) peer.pause();
    if (temper.first !== undefined) couple.sendUp(temper.first);
    if (temper.down !== undefined) couple.sendDown(temper.down);
    if (temper.chatter) couple.chatter();
  }
  await untilSo('what is sent first', () =>
    couples.every(({ temper, toPeer }) => temper.peerSleeps || toPeer.length === (temper.first ?? 0)),
  );
  // What the system had for the daemon before these went to and fro has been read.
  for (let i = 0; i < 3; i += 1) {
    idle.sendUp(251);
    await untilSo('a few bytes', () => idle.toPeer.length === idle.sentUp);
  }
  for (const couple of couples) if (couple.temper.last !== undefined) couple.sendUp(couple.temper.last);
  const exited = daemon.stop();
  for (const { temper, client } of couples) if (temper.clientSleeps) client.resume();
  await untilSo('all ends', () => couples.every(({ clientEnded, peerEnded }) => clientEnded && peerEnded));
  expect(await exited).toBe(0);
  for (const { name, temper, port, code, sentUp, sentDown, toPeer, toClient } of couples) {
    expect(code, name).toBe(1001);
    expect(toPeer.length, `to the peer of ${name}`).toBe(sentUp);
    const fields = lineOf(daemon, port);
    expect(fields, name).toMatchObject({ why: 'stopping', up: `${sentUp}`, down: `${toClient.length}` });
    expect(fields, name).not.toHaveProperty('undelivered-up');
    const late = Number(fields['late'] ?? 0);
    expect(toClient.length + late, name).toBeLessThanOrEqual(sentDown);
    if (temper === KINDS['slow client']) expect(toClient.length, name).toBe(sentDown);
  }
  expect(daemon.output()).not.toMatch(/ (warn|error) /);
  expect(daemon.output()).toMatch(/ counters (?!.*undelivered-up).*\n.* stopped\n$/);
});
