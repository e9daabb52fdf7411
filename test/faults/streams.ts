/**
 * What the two sides of a session send, made of its plan before it begins: the client's payload with the frames that
 * carry it, the peer's stream with the messages that its framing makes of it.
 */
import { Deflater } from '../support/deflate.ts';
import { Random } from '../support/randomness.ts';
import { CELL, content, mix } from './content.ts';
import { BINARY, CONTINUATION, clientFrame, FIN, PING, RSV1, TEXT } from './frames.ts';
import type { Plan } from './plan.ts';

/** A message, by where it ends in the payload of all. */
export interface Message {
  readonly opcode: number | undefined;
  readonly end: number;
}

export interface UpStream {
  /** All that the peer should get. */
  readonly payload: Buffer;
  readonly messages: readonly Message[];
  /** All frames that the client sends. */
  readonly wire: Buffer;
  /** Of the Pings among them. */
  readonly pings: readonly string[];
}

export interface DownStream {
  /** All that the peer sends. */
  readonly bytes: Buffer;
  /** Of it, what the client should get: less where the framing fails. */
  readonly good: number;
  /** Of that, what comes before the peer has ended. */
  readonly whole: number;
  /** Undefined: the network cuts it. The last one may be what is left at the end. */
  readonly messages: readonly Message[] | undefined;
}

/** Few messages are very many frames. */
const MOST_MESSAGES = 1_500;
/** A datagram that is larger may need more than one packet, of which each may be lost. */
const DATAGRAM = 8_000;

export function isDatagram({ peer }: Plan): boolean {
  return peer === 'udp' || peer === 'unix-dgram';
}

export function makeUp(plan: Plan): UpStream {
  const { seed, index, up, compression } = plan;
  const random = new Random(mix(seed, index, 1));
  const text = up.kind === 'text';
  const bytes = text ? up.bytes - (up.bytes % CELL) : up.bytes;
  const all = content(up.kind, mix(seed, index, 2), bytes);
  const most = Math.max(up.message, isDatagram(plan) ? 0 : Math.ceil(bytes / MOST_MESSAGES));
  const lengths = cutLengths(
    bytes,
    isDatagram(plan) ? Math.max(Math.min(most, DATAGRAM), bytes / 15) : most,
    text,
    random,
  );
  const deflater = new Deflater();
  const messages: Message[] = [];
  const frames: Buffer[] = [];
  const pings: string[] = [];
  const key = () => random.bytes(4);
  let at = 0;
  for (const length of lengths) {
    const opcode = text ? TEXT : BINARY;
    const message = all.subarray(at, at + length);
    at += length;
    messages.push({ opcode, end: at });
    const deflated = compression && length > 0 && random.int(1, 4) > 1;
    const payload = deflated ? deflater.message(message, { level: 1 }) : message;
    const fragments = random.pick([1, 1, 1, 2, 4]);
    for (let i = 0; i < fragments; i += 1) {
      const [from, to] = [i, i + 1].map((n) => Math.floor((payload.length * n) / fragments));
      const first =
        (i === fragments - 1 ? FIN : 0) | (i > 0 ? CONTINUATION : deflated ? opcode | RSV1 : opcode);
      frames.push(clientFrame(first, payload.subarray(from, to), key()));
      if (pings.length < up.pings && random.int(1, 3) === 1) {
        pings.push(`session ${index}, ping ${pings.length}`);
        frames.push(clientFrame(FIN | PING, Buffer.from(pings.at(-1)!), key()));
      }
    }
  }
  return keep(plan, { payload: all, messages, wire: Buffer.concat(frames), pings });
}

/** What is sent of it where the client's part ends within a frame, which no orderly Close can follow. */
function keep(plan: Plan, whole: UpStream): UpStream {
  const unfinished = [
    'client ends without a Close',
    'client resets',
    'client disappears',
    'both vanish at once',
  ];
  if (plan.cut === 1 || plan.compression || !unfinished.includes(plan.scenario)) return whole;
  const wire = whole.wire.subarray(0, Math.floor(whole.wire.length * plan.cut));
  const { payload, messages } = payloadOf(wire, whole, plan.peer === 'tcp' || plan.peer === 'unix');
  return {
    ...whole,
    wire,
    payload: whole.payload.subarray(0, payload),
    messages: whole.messages.slice(0, messages),
  };
}

/** How much payload, and how many messages, some frames carry. @param partial a message that is not whole counts, too */
function payloadOf(wire: Buffer, whole: UpStream, partial: boolean): { payload: number; messages: number } {
  let [payload, messages, at] = [0, 0, 0];
  while (at + 2 <= wire.length) {
    const short = wire[at + 1]! & 0x7f;
    const header = 6 + (short === 127 ? 8 : short === 126 ? 2 : 0);
    if (at + header > wire.length) break;
    const length =
      short === 127
        ? Number(wire.readBigUInt64BE(at + 2))
        : short === 126
          ? wire.readUInt16BE(at + 2)
          : short;
    const there = Math.min(length, wire.length - at - header);
    const isData = (wire[at]! & 0x08) === 0;
    if (isData) payload += there;
    if (isData && there === length && (wire[at]! & FIN) !== 0) messages += 1;
    at += header + length;
  }
  return { payload: partial ? payload : (whole.messages[messages - 1]?.end ?? 0), messages };
}

/** Lengths of messages, a few of them 0. Text is cut between characters. */
function cutLengths(bytes: number, most: number, text: boolean, random: Random): number[] {
  const lengths: number[] = [];
  for (let left = bytes; left > 0; ) {
    if (random.int(1, 20) === 1) lengths.push(0);
    const length = Math.min(left, Math.max(1, Math.ceil(most * (random.next() < 0.3 ? 1 : random.next()))));
    lengths.push(text ? Math.min(left, Math.ceil(length / CELL) * CELL) : length);
    left -= lengths.at(-1)!;
  }
  return lengths;
}

export function makeDown(plan: Plan, up: UpStream): DownStream {
  const { seed, index, down, framing, framingConfig = '' } = plan;
  if (plan.peer === 'echo') return uncut(up.payload, up.messages);
  const random = new Random(mix(seed, index, 3));
  const bytes = content(down.kind, mix(seed, index, 4), down.bytes);
  if (isDatagram(plan) && up.messages.length === 0) return uncut(Buffer.alloc(0), []);
  if (isDatagram(plan)) {
    let end = 0;
    const lengths = cutLengths(down.bytes, Math.max(DATAGRAM / 2, down.bytes / 15), false, random);
    const messages = lengths.map((length) => {
      end += length;
      return { opcode: BINARY, end };
    });
    return uncut(bytes, messages);
  }
  switch (framing) {
    case 'newline':
      return cut(bytes, endsAt(bytes, 0x0a), TEXT);
    case 'separator':
      return cut(bytes, endsAt(bytes, 0x00), BINARY);
    case 'fixedlength': {
      const size = Number(framingConfig);
      const ends = Array.from({ length: Math.floor(bytes.length / size) }, (_, i) => (i + 1) * size);
      return cut(bytes, ends, BINARY);
    }
    case 'dynamic32':
      return withLengths(
        bytes,
        plan.scenario === 'peer breaks its framing',
        framingConfig.includes('big'),
        random,
      );
    default:
      return uncut(bytes, undefined);
  }
}

function endsAt(bytes: Buffer, mark: number): number[] {
  const ends: number[] = [];
  for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + 1)) ends.push(at + 1);
  return ends;
}

/** All of it comes as it is sent. */
function uncut(bytes: Buffer, messages: DownStream['messages']): DownStream {
  return { bytes, good: bytes.length, whole: bytes.length, messages };
}

/** What is left at the end of the stream is one last message. */
function cut(bytes: Buffer, ends: readonly number[], opcode: number): DownStream {
  const messages = ends.map((end) => ({ opcode, end }));
  const whole = ends.at(-1) ?? 0;
  if (whole < bytes.length) messages.push({ opcode, end: bytes.length });
  return { bytes, good: bytes.length, whole, messages };
}

/** Writes lengths into the stream, each counting itself. @param breaks behind half of them stands one that cannot be */
function withLengths(bytes: Buffer, breaks: boolean, big: boolean, random: Random): DownStream {
  const ends: number[] = [];
  const put = (value: number, at: number) =>
    big ? bytes.writeUInt32BE(value, at) : bytes.writeUInt32LE(value, at);
  const until = breaks ? Math.floor(bytes.length / 2) : bytes.length;
  const most = random.pick([60, 5_000, 200_000]);
  let at = 0;
  while (at + 4 <= until) {
    const length = 4 + random.int(0, Math.max(most, Math.ceil(bytes.length / MOST_MESSAGES)));
    if (breaks && at + length + 4 > bytes.length) break;
    put(length, at);
    at += length;
    if (at <= bytes.length) ends.push(at);
  }
  if (!breaks) return cut(bytes, ends, BINARY);
  const whole = at + 4 <= bytes.length ? bytes : Buffer.concat([bytes, Buffer.alloc(4)]);
  whole.writeUInt32BE(0, at);
  return { ...cut(whole.subarray(0, at), ends, BINARY), bytes: whole };
}
