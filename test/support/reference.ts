/**
 * What a server on echo:// must answer to any bytes of a client, by the letter of RFC 6455 §5–§8 and nothing else.
 *
 * It takes all bytes at once, copies as it likes and is slow; it exists to be obviously right, so that random bytes
 * have an answer to be compared with. Where two rules are broken by the same header it allows the code of either.
 */
import { BINARY, CLOSE, PING, PONG, TEXT } from './raw-client.ts';

export interface Expected {
  /** Echoed messages, in order. */
  readonly messages: readonly { opcode: number; payload: Buffer }[];
  /** Payloads of pongs, in order. */
  readonly pongs: readonly Buffer[];
  /** The Close that ends it: its possible codes, or that the last bytes leave the server waiting for more. */
  readonly end: readonly (number | undefined)[] | 'waiting';
}

const MESSAGE_LIMIT = 16 * 1_048_576;

/** RFC 3629 §4, byte by byte: the places at which bytes are wrong, or an end inside a character. */
export function utf8Verdict(bytes: Uint8Array): 'whole' | 'cut' | 'wrong' {
  let missing = 0;
  let [low, high] = [0x80, 0xbf];
  for (const byte of bytes) {
    if (missing > 0) {
      if (byte < low || byte > high) return 'wrong';
      [low, high] = [0x80, 0xbf];
      missing--;
    } else if (byte >= 0x80) {
      if (byte < 0xc2 || byte > 0xf4) return 'wrong';
      missing = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
      if (byte === 0xe0) low = 0xa0; // shorter forms exist below
      if (byte === 0xed) high = 0x9f; // surrogates above
      if (byte === 0xf0) low = 0x90; // shorter forms exist below
      if (byte === 0xf4) high = 0x8f; // beyond U+10FFFF above
    }
  }
  return missing > 0 ? 'cut' : 'whole';
}

/** §7.4: the codes that a client may put into a Close. */
function mayBeSent(code: number): boolean {
  if (code >= 3000) return code <= 4999;
  return code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code);
}

export function expectedFor(bytes: Buffer): Expected {
  const messages: { opcode: number; payload: Buffer }[] = [];
  const pongs: Buffer[] = [];
  const end = (...codes: (number | undefined)[]): Expected => ({ messages, pongs, end: codes });
  const waiting: Expected = { messages, pongs, end: 'waiting' };

  /** The message that is being received: its type, 0 between messages, and what there is of it. */
  let type = 0;
  let message = Buffer.alloc(0);
  let at = 0;
  for (;;) {
    if (bytes.length - at < 2) return waiting;
    const [first, second] = [bytes[at]!, bytes[at + 1]!];
    const fin = (first & 0x80) !== 0;
    const opcode = first & 0x0f;
    const control = opcode >= 8;
    const short = second & 0x7f;
    const broken = new Set<number>();
    if ((first & 0x70) !== 0) broken.add(1002); // §5.2: RSV
    if (![0, TEXT, BINARY, CLOSE, PING, PONG].includes(opcode)) broken.add(1002); // §5.2: reserved
    if (control && (!fin || short > 125)) broken.add(1002); // §5.5
    if ((second & 0x80) === 0) broken.add(1002); // §5.1: masked
    if (opcode === 0 && type === 0) broken.add(1002); // §5.4: nothing to continue
    if ((opcode === TEXT || opcode === BINARY) && type !== 0) broken.add(1002); // §5.4: not finished

    const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
    const headerLength = 2 + extended + 4;
    if (bytes.length - at >= headerLength) {
      let length = BigInt(short);
      if (extended === 2) length = BigInt(bytes.readUInt16BE(at + 2));
      if (extended === 8) length = bytes.readBigUInt64BE(at + 2);
      if (extended === 2 && length < 126n) broken.add(1002); // §5.2: minimal
      if (extended === 8 && (length < 0x10000n || length >= 2n ** 63n)) broken.add(1002);
      else if (!control && BigInt(message.length) + length > BigInt(MESSAGE_LIMIT)) broken.add(1009);
    }
    if (broken.size > 0) return end(...broken);
    if (bytes.length - at < headerLength) return waiting;

    let length = short;
    if (extended === 2) length = bytes.readUInt16BE(at + 2);
    if (extended === 8) length = Number(bytes.readBigUInt64BE(at + 2));
    const mask = bytes.subarray(at + 2 + extended, at + headerLength);
    const payload = Buffer.from(bytes.subarray(at + headerLength, at + headerLength + length));
    for (let i = 0; i < payload.length; i++) payload[i]! ^= mask[i & 3]!;
    const complete = payload.length === length;
    at += headerLength + length;

    if (control) {
      if (!complete) return waiting;
      if (opcode === PING) pongs.push(payload);
      if (opcode === CLOSE) {
        if (length === 0) return end(undefined);
        if (length === 1) return end(1002); // §5.5.1
        const code = payload.readUInt16BE();
        const wrong: number[] = [];
        if (!mayBeSent(code)) wrong.push(1002);
        if (utf8Verdict(payload.subarray(2)) !== 'whole') wrong.push(1007);
        return wrong.length > 0 ? end(...wrong) : end(code);
      }
      continue;
    }
    if (opcode !== 0) {
      type = opcode;
      message = Buffer.alloc(0);
    }
    message = Buffer.concat([message, payload]);
    const verdict = type === TEXT ? utf8Verdict(message) : 'whole';
    if (verdict === 'wrong') return end(1007); // §8.1, as soon as it is certain
    if (!complete) return waiting;
    if (!fin) continue;
    if (verdict === 'cut') return end(1007);
    messages.push({ opcode: type, payload: message });
    type = 0;
    message = Buffer.alloc(0);
  }
}
