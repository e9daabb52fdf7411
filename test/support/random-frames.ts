/**
 * What clients send, at random: mostly frames in order, of all lengths at which an implementation may change its way,
 * with characters cut anywhere; and, where asked, everything that breaks a rule of RFC 6455 §5 or that never ends.
 */
import { concat, hex } from './bytes.ts';
import type { Random } from './randomness.ts';

/** Around each length at which the header, the kernel or a byte loop goes another way. */
const LENGTHS = [
  0, 0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 125, 126, 127, 128, 200, 255,
];
const LONG_LENGTHS = [256, 300, 1_000, 4_095, 65_535, 65_536, 66_000];
const CONTROL_LENGTHS = [0, 1, 2, 4, 17, 125];
const CONTROL = [8, 9, 9, 9, 10, 10];

/** Lengths in eight bytes: what may not be, what may be and never ends, and what ends soon. */
const EIGHT_BYTES = [
  '0000000000000000',
  '000000000000007d',
  '000000000000ffff',
  '0000000000010000',
  '000000007fffffff',
  '0000000080000000',
  '00000000ffffffff',
  '0000000100000000',
  '0000000100000005',
  '001fffffffffffff',
  '0020000000000000',
  '7fffffffffffffff',
  '8000000000000000',
  '8000000000000005',
  'ffffffffffffffff',
];

const TEXT = Buffer.from('plain and long enough for a step, then naïve €𝄞 — wörd ✓ 漢字, then plain again; ');

export interface FramesOptions {
  readonly count: number;
  /** How likely a frame is wrong, from 0 to 1. @default 0 */
  readonly wrong?: number;
  /** How likely the bytes of a text are not UTF-8, and that it ends within a character. @default 0 */
  readonly badText?: number;
  /** Whether there are frames of more than 255 bytes. @default false */
  readonly long?: boolean;
}

/** Frames one behind the other, each masked by a key of its own; the last message may not end. */
export function someFrames(random: Random, options: FramesOptions): Uint8Array {
  const { count, wrong = 0, badText = 0, long = false } = options;
  const chance = (probability: number): boolean => random.next() < probability;
  const frames: Uint8Array[] = [];
  const ascii = chance(0.3);
  let message = 0;
  let textAt = 0;
  for (let i = 0; i < count; i += 1) {
    if (chance(wrong)) {
      frames.push(someWrongFrame(random));
      continue;
    }
    if (chance(0.15)) {
      frames.push(frame(random, 0x80 | random.pick(CONTROL), random.bytes(random.pick(CONTROL_LENGTHS))));
      continue;
    }
    const opcode = message === 0 ? random.int(1, 2) : 0;
    message ||= opcode;
    const length = random.pick(long && chance(0.1) ? LONG_LENGTHS : LENGTHS);
    const fin = chance(0.6);
    let payload: Uint8Array = random.bytes(length);
    if (message === 1) {
      payload = Uint8Array.from(
        { length },
        (_, at) => TEXT[(textAt + at) % TEXT.length]! & (ascii ? 0x7f : 0xff),
      );
      textAt += length;
      if (fin && !ascii && !chance(badText)) {
        // To the end of the character.
        while ((TEXT[textAt % TEXT.length]! & 0xc0) === 0x80) {
          payload = concat(payload, TEXT.subarray(textAt % TEXT.length, (textAt % TEXT.length) + 1));
          textAt += 1;
        }
      }
      if (length > 0 && chance(badText)) payload[random.int(0, length - 1)] = random.int(0x80, 0xff);
    }
    frames.push(frame(random, (fin ? 0x80 : 0) | opcode, payload));
    if (fin) message = 0;
    // What follows a text that was cut within a character begins one.
    if (fin) while ((TEXT[textAt % TEXT.length]! & 0xc0) === 0x80) textAt += 1;
  }
  return concat(...frames);
}

/** A few of some bytes changed, left out or doubled. */
export function mutated(bytes: Uint8Array, random: Random): Uint8Array {
  let result = bytes;
  for (let rounds = random.int(1, 3); rounds > 0 && result.length > 0; rounds -= 1) {
    const at = random.int(0, result.length - 1);
    const to = Math.min(result.length, at + random.int(1, 20));
    const how = random.int(0, 3);
    result = result.slice();
    if (how === 0) result[at]! ^= 1 << random.int(0, 7);
    if (how === 1) result[at] = random.pick([0x00, 0x01, 0x02, 0x81, 0x82, 0x89, 0xfe, 0xff]);
    if (how === 2) result = concat(result.subarray(0, at), result.subarray(to));
    if (how === 3) result = concat(result.subarray(0, to), result.subarray(at));
  }
  return result;
}

/** Something that is not in order, or whose payload does not come. */
function someWrongFrame(random: Random): Uint8Array {
  const first = random.pick([0x00, 0x01, 0x02, 0x80, 0x81, 0x82]);
  const key = random.bytes(4);
  switch (random.int(0, 6)) {
    case 0: // any opcode, any reserved bit
      return frame(random, random.int(0, 255), random.bytes(random.int(0, 5)));
    case 1: // not masked
      return concat(Uint8Array.of(first, random.int(0, 127)), random.bytes(random.int(0, 20)));
    case 2: // 16 bits, perhaps for what needs only 7
      return concat(
        Uint8Array.of(first, 0xfe),
        hex(random.pick(['0000', '0001', '007d', '007e', '0102'])),
        key,
      );
    case 3: // 64 bits
      return concat(Uint8Array.of(first, 0xff), hex(random.pick(EIGHT_BYTES)), key);
    case 4: // a control frame that is too long or a fragment
      return concat(Uint8Array.of(random.pick([0x88, 0x89, 0x0a]), random.pick([0x80, 0xfe, 0xff])), key);
    case 5: // a whole message, whether or not one is under way
      return frame(random, random.int(0x81, 0x82), random.bytes(random.pick(LENGTHS)));
    default:
      return random.bytes(random.int(1, 20));
  }
}

function frame(random: Random, first: number, payload: Uint8Array): Uint8Array {
  const { length } = payload;
  const header = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  header[0] = first;
  header[1] = 0x80 | (length < 126 ? length : length < 65_536 ? 126 : 127);
  if (header.length === 4) header.writeUInt16BE(length, 2);
  if (header.length === 10) header.writeBigUInt64BE(BigInt(length), 2);
  const key = random.bytes(4);
  return concat(
    header,
    key,
    payload.map((byte, at) => byte ^ key[at & 3]!),
  );
}
