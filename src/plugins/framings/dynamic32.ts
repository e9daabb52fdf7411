/**
 * `dynamic32`: the length of each message stands in the message itself, as an unsigned 32-bit number. Binary.
 *
 * A message has offset + 4 + static + value bytes, where the value begins `offset` bytes into the message. The formula
 * is taken literally: with a negative `static` a message may end before or within its own length field, and the next
 * one then begins there. Only one that comes out without a single byte cannot be, and fails the stream.
 *
 * A length above the limit is not known as such here: the bytes are waited for, and the limit ends the connection.
 */
import { defineFraming, type Framing } from '../api.ts';
import { parseInteger } from './integer.ts';

const FIELD = 4;
const GREATEST = 0xffff_ffff;

interface Layout {
  readonly offset: number;
  readonly added: number;
  readonly endian: 'little' | 'big';
}

export default defineFraming({
  apiVersion: 1,
  kind: 'framing',
  name: 'dynamic32',
  configure(config) {
    const layout = readLayout(config ?? '');
    const header = layout.offset + FIELD;
    return ({ maximum }) => {
      // The field itself has to arrive, and no value is below 0.
      if (header + Math.max(layout.added, 0) > maximum) {
        throw new Error(
          `offset=${layout.offset} and static=${layout.added} ask for messages of more than ${maximum} bytes`,
        );
      }
      return { type: 'binary', next: cutter(layout) };
    };
  },
});

function cutter({ offset, added, endian }: Layout): Framing['next'] {
  const header = offset + FIELD;
  return (buffer, start, end, _scanned, ended) => {
    if (end - start < header) return 0;
    const value = endian === 'little' ? little(buffer, start + offset) : big(buffer, start + offset);
    const length = header + added + value;
    if (length < 1) {
      // The last bytes of a stream, or a datagram, which is what it is: there is nothing behind it to lose.
      if (ended) return 0;
      throw new Error(
        `offset ${offset} + 4 + static ${added} + value ${value} leaves ${length} bytes for a message`,
      );
    }
    return length <= end - start ? length : 0;
  };
}

// Multiplied, since shifts yield signed numbers.
function little(buffer: Uint8Array, at: number): number {
  return buffer[at]! + buffer[at + 1]! * 0x100 + buffer[at + 2]! * 0x1_0000 + buffer[at + 3]! * 0x100_0000;
}

function big(buffer: Uint8Array, at: number): number {
  return buffer[at]! * 0x100_0000 + buffer[at + 1]! * 0x1_0000 + buffer[at + 2]! * 0x100 + buffer[at + 3]!;
}

function readLayout(config: string): Layout {
  const given = new Map<string, string>();
  for (const piece of config.trim() === '' ? [] : config.split(',')) {
    const equals = piece.indexOf('=');
    if (equals === -1) {
      throw new Error(
        `${JSON.stringify(piece.trim())} is no option: expected NAME=VALUE, separated by commas`,
      );
    }
    const name = piece.slice(0, equals).trim();
    if (!['offset', 'static', 'endian'].includes(name)) {
      throw new Error(`unknown option ${JSON.stringify(name)}: expected offset, static or endian`);
    }
    if (given.has(name)) throw new Error(`${name} is given twice`);
    given.set(name, piece.slice(equals + 1).trim());
  }
  const endian = (given.get('endian') ?? 'little').toLowerCase();
  if (endian !== 'little' && endian !== 'big') {
    throw new Error(`endian=${given.get('endian')}: expected little or big`);
  }
  return {
    offset: readNumber('offset', given.get('offset'), 0),
    added: readNumber('static', given.get('static'), -GREATEST),
    endian,
  };
}

function readNumber(name: string, text: string | undefined, least: number): number {
  if (text === undefined) return 0;
  const value = parseInteger(text);
  if (value === undefined || value < least || value > GREATEST) {
    throw new Error(`${name}=${text}: expected a whole number from ${least} to ${GREATEST}`);
  }
  return value;
}
