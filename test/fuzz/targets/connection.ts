/**
 * A whole connection under any order of what can happen to it: bytes in pieces, messages, Pings, a close, back-pressure from both
 * sides, an end, also from within its own callbacks. Nothing throws, states only go forward, it is closed once and then
 * silent, what it writes is an HTTP answer or whole frames of a server, and every slab is given back.
 *
 * The input's first byte says how the connection is made; then each byte is something that happens, some with a length and
 * bytes behind it.
 */
import fc from 'fast-check';
import { Fault } from '../../../src/errors.ts';
import { makeFastPath } from '../../../src/fast-path.ts';
import { Connection } from '../../../src/rfc6455/connection.ts';
import type {
  AcceptOptions,
  ConnectionHandler,
  Ending,
  FastPath,
} from '../../../src/rfc6455/connection-handler.ts';
import { Compression } from '../../../src/rfc6455/permessage-deflate.ts';
import { clientFrame, concat, latin1 } from '../../support/bytes.ts';
import { deflated } from '../../support/deflated.ts';
import { type ServerFrame, serverFrames } from '../../support/server-frames.ts';
import { give, LIMITS, REQUEST } from '../opened.ts';
import { insist, latin1Of, type Target } from '../target.ts';

const fast = makeFastPath();
const OFFER = latin1('Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n');
const COMPRESSED_REQUEST = concat(REQUEST.subarray(0, -2), OFFER);
const RANK = { head: 0, deciding: 1, open: 2, closing: 3, closed: 4 };
const MAX_MESSAGE = 1_000;

/** What the bits of the first byte mean. */
const KERNEL = 1;
const COMPRESSION = 2;
const MESSAGE_PEER = 4;
/** The handshake is done first. */
const OPENED = 8;
/** It is answered by whoever is asked, at once. */
const AT_ONCE = 16;

class Script implements ConnectionHandler {
  readonly connection: Connection;
  readonly #fast: FastPath | undefined;
  readonly #accept: AcceptOptions;
  readonly #atOnce: boolean;
  readonly #input: Uint8Array;
  #at = 1;
  #depth = 0;
  #rank = 0;
  #writable = true;
  #taking = true;
  #yielded = false;
  #corked = 0;
  readonly #written: Buffer[] = [];
  #endings = 0;

  constructor(input: Uint8Array, compression: Compression) {
    const how = input[0] ?? 0;
    this.#input = input;
    this.#fast = (how & KERNEL) === 0 ? undefined : fast;
    this.#atOnce = (how & AT_ONCE) !== 0;
    this.#accept = {
      peer: (how & MESSAGE_PEER) === 0 ? 'stream' : 'message',
      messageBytes: MAX_MESSAGE,
      compression: (how & COMPRESSION) === 0 ? undefined : compression,
    };
    this.connection = new Connection(this, LIMITS, this.#fast);
    if ((how & OPENED) === 0) return;
    this.#receive((how & COMPRESSION) === 0 ? REQUEST : COMPRESSED_REQUEST);
    this.#answer(true);
  }

  run(): void {
    while (this.#at < this.#input.length) this.#step();
    while (this.#corked > 0) this.#uncork();
    // Whatever it waits for comes, and then the client leaves.
    this.#writable = true;
    this.#taking = true;
    for (let turns = 0; turns < 200 && this.connection.state !== 'closed'; turns += 1) {
      this.#yielded = false;
      this.connection.drained();
      this.connection.resume();
      this.connection.beginTurn();
      this.#watch();
      if (!this.#yielded) break;
    }
    this.connection.receiveEnd();
    this.#watch();
    insist(this.connection.state === 'closed', `it is still ${this.connection.state}`);
    insist(this.#endings === 1, `it was closed ${this.#endings} times`);
    // What comes too late changes nothing.
    this.#receive(REQUEST);
    this.connection.drained();
    this.connection.resume();
    this.connection.beginTurn();
    this.connection.ping();
    this.connection.close(1000);
    this.connection.fail(new Fault('peer-failed'));
    insist(this.#endings === 1, 'it was closed again');
    this.#judgeWritten();
  }

  // ------------------------------------------------------------------------------------------- as its handler

  write(bytes: Uint8Array, more: Uint8Array = new Uint8Array(0)): boolean {
    insist(this.#endings === 0, 'it writes behind its end');
    this.#written.push(Buffer.concat([bytes, more]));
    insist(this.#written.at(-1)!.length > 0, 'it writes nothing');
    // A socket calls nobody back from within a write.
    return this.#writable;
  }

  onRequest(): void {
    if (this.#atOnce) this.#answer(true);
  }

  onPayload(payload: Uint8Array, opcode: number): boolean {
    insist(this.#endings === 0, 'payload behind its end');
    if (this.#accept.peer === 'message')
      insist(payload.length <= MAX_MESSAGE, `a message of ${payload.length} bytes`);
    else insist(opcode === 2 && payload.length > 0, 'a piece of a stream that is empty or text');
    this.#within();
    return this.#taking;
  }

  onYield(): void {
    this.#yielded = true;
  }

  onReceivable(): void {
    this.#within();
  }

  onSendable(): void {
    this.#within();
  }

  onClosed(ending: Ending): void {
    this.#endings += 1;
    if (ending.by === 'fault')
      insist(ending.fault.code !== 'internal', `internal: ${ending.fault.details['message']}`);
  }

  // ------------------------------------------------------------------------------------------------ what happens

  /** Something happens while the connection is at work, now and then. */
  #within(): void {
    if (this.#depth > 2 || (this.#input[this.#at] ?? 0) < 0xe0) return;
    this.#at += 1;
    this.#depth += 1;
    this.#step();
    this.#depth -= 1;
  }

  #step(): void {
    const { connection } = this;
    const step = this.#take();
    switch (step & 0x0f) {
      case 0:
      case 1:
        this.#receive(this.#bytes());
        break;
      case 2: {
        const [first, length] = [this.#take(), this.#take()];
        const payload = this.#input.slice(this.#at, this.#at + length);
        this.#at += length;
        this.#receive(
          clientFrame({ opcode: first & 15, fin: (first & 128) !== 0, rsv: (first >> 4) & 4, payload }),
        );
        break;
      }
      case 3: {
        const bytes = this.#bytes();
        connection.send(step & 0x10 ? 1 : 2, bytes, 0, bytes.length);
        break;
      }
      case 4:
        this.#sendLines();
        break;
      case 5:
        connection.close([1000, 1001, 1005, 4000][step >> 6]!, 'é'.repeat(step & 0x30 ? 90 : 0));
        break;
      case 6:
        this.#taking = (step & 0x10) !== 0;
        if (this.#taking) connection.resume();
        break;
      case 7:
        this.#writable = (step & 0x10) !== 0;
        if (this.#writable) connection.drained();
        break;
      case 8:
        this.#yielded = false;
        connection.beginTurn();
        break;
      case 9:
        connection.ping();
        break;
      case 10:
        connection.receiveEnd();
        break;
      case 11:
        this.#answer((step & 0x10) !== 0);
        break;
      case 12:
        connection.fail(new Fault(step & 0x10 ? 'peer-failed' : 'client-vanished'));
        break;
      case 13:
        connection.cork(step);
        this.#corked += 1;
        break;
      case 14:
        if (this.#corked > 0) this.#uncork();
        break;
      default:
        this.#receive(clientFrame({ opcode: 2, rsv: 4, payload: deflated(this.#bytes()) }));
    }
    this.#watch();
  }

  #take(): number {
    const byte = this.#input[this.#at] ?? 0;
    this.#at += 1;
    return byte;
  }

  #bytes(): Uint8Array {
    const length = this.#take();
    const bytes = this.#input.slice(this.#at, this.#at + length);
    this.#at += length;
    return bytes;
  }

  /** As a socket's reader does: not while it asks for a pause, and never from within a callback. */
  #receive(bytes: Uint8Array): void {
    if (this.#depth > 0 || !this.connection.receivable) return;
    give(this.connection, bytes, this.#fast);
  }

  /** The peer's lines, in a slab of their own. */
  #sendLines(): void {
    const bytes = this.#bytes();
    const slab = this.#fast?.slabs.take();
    if (slab === undefined) {
      this.connection.sendShort(2, bytes, 0, bytes.length, LF);
      return;
    }
    slab.bytes.set(bytes, slab.used);
    const end = slab.used + bytes.length;
    const at = this.connection.sendShort(2, slab.bytes, slab.used, end, LF);
    insist(at >= slab.used && at <= end, `has sent up to ${at} of [${slab.used}, ${end})`);
    this.#fast!.slabs.release(slab);
  }

  #answer(accept: boolean): void {
    if (this.connection.state !== 'deciding') return;
    if (accept) this.connection.accept(this.#accept);
    else this.connection.reject(404, 'no');
  }

  #uncork(): void {
    this.#corked -= 1;
    this.connection.uncork();
  }

  // --------------------------------------------------------------------------------------------- what is judged

  #watch(): void {
    const rank = RANK[this.connection.state];
    insist(rank >= this.#rank, `went back to ${this.connection.state}`);
    this.#rank = rank;
  }

  #judgeWritten(): void {
    const [first, ...rest] = this.#written;
    if (first === undefined) return;
    const head = latin1Of(first);
    insist(/^HTTP\/1\.1 [1-5]\d\d [^\r\n]*\r\n/.test(head), `first it writes ${head}`);
    if (!head.startsWith('HTTP/1.1 101 ')) {
      insist(rest.length === 0, 'it writes behind a refusal');
      return;
    }
    const end = head.indexOf('\r\n\r\n') + 4;
    const compressed = head.includes('\r\nSec-WebSocket-Extensions: permessage-deflate');
    const frames = serverFrames([first.subarray(end), ...rest]);
    for (const [index, frame] of frames.entries()) {
      judgeFrame(frame, compressed);
      insist(frame.opcode !== 8 || index === frames.length - 1, 'it writes behind its Close');
    }
  }
}

function judgeFrame({ opcode, compressed, payload }: ServerFrame, agreed: boolean): void {
  insist([1, 2, 8, 9, 10].includes(opcode), `it writes the opcode ${opcode}`);
  insist(!compressed || (agreed && opcode < 8), `it writes opcode ${opcode} as compressed`);
  insist(opcode < 8 || payload.length <= 125, `it writes a control frame of ${payload.length} bytes`);
  if (opcode !== 8 || payload.length === 0) return;
  new TextDecoder('utf-8', { fatal: true }).decode(payload.subarray(2));
}

const LF = Uint8Array.of(0x0a);
const WITH_BYTES = [0x00, 0x01, 0x03, 0x13, 0x04, 0x0f, 0xe0, 0xe3, 0xef];
const ALONE = [
  0x05, 0x45, 0xb5, 0x06, 0x16, 0x07, 0x17, 0x08, 0x09, 0x0a, 0x0b, 0x1b, 0x0c, 0x1c, 0x0d, 0x0e, 0xe5, 0xe6,
  0xea, 0xec,
];

const STEP = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(...WITH_BYTES),
      fc.oneof(fc.string({ maxLength: 30 }), fc.constantFrom('a\nb\n\n', 'a'.repeat(200))),
    )
    .map(([step, text]) => [step, text.length, ...latin1(text)]),
  fc
    .tuple(
      fc.constantFrom(0x80, 0x81, 0x82, 0x01, 0x02, 0x00, 0x89, 0x8a, 0x88, 0xc2),
      fc.oneof(
        fc.string({ unit: fc.constantFrom('a', 'b', '\n', '\xc3'), maxLength: 130 }),
        fc.constantFrom('', '\x03\xe8bye'),
      ),
    )
    .map(([first, text]) => [0x02, first, text.length, ...latin1(text)]),
  fc.constantFrom(...ALONE).map((step) => [step]),
);

export const connection: Target = {
  name: 'connection',
  about: 'a connection under any order of events: no throw, states forward, whole frames, no slab lost',
  inputs: fc
    .tuple(
      fc.oneof(
        fc.nat(31),
        fc.nat(7).map((how) => how | OPENED),
      ),
      fc.array(STEP, { maxLength: 25 }),
    )
    .map(([how, steps]) => Uint8Array.from([how, ...steps.flat()])),
  words: [
    latin1Of(REQUEST),
    '\x02\x88\0',
    '\x02\x81\x01a',
    '\x05',
    '\x06\x16',
    '\x0a',
    '\xe5',
    '\x0d',
    '\x0e',
  ],
  run(input) {
    const compression = new Compression({
      level: 1,
      windowBits: 12,
      serverTakeover: true,
      clientTakeover: true,
      threshold: 8,
      connections: 1,
      sync: true,
    });
    new Script(input, compression).run();
    insist(compression.connections === 0, 'a compressed connection still counts');
    insist(fast.slabs.outstanding === 0, `${fast.slabs.outstanding} slabs were not given back`);
  },
};
