/**
 * The peer's stream, cut into messages: each framing on streams as it meets them.
 *
 * Messages that are longer than a read, and those that dribble in byte by byte, come in two lengths: the same speed for
 * both says that the time is linear in the length.
 */
import auto from '../../dist/src/plugins/framings/auto.js';
import dynamic32 from '../../dist/src/plugins/framings/dynamic32.js';
import fixedlength from '../../dist/src/plugins/framings/fixedlength.js';
import json from '../../dist/src/plugins/framings/json.js';
import newline from '../../dist/src/plugins/framings/newline.js';
import separator from '../../dist/src/plugins/framings/separator.js';
import { Segmenter } from '../../dist/src/segmenter.js';
import { assertSame, KIB, MIB, numbers, READ, randomBytes, reads, record, records, text } from './inputs.mjs';

const MAXIMUM = 16 * MIB;

/** Messages with a 32-bit length before them, of 20 to 200 bytes. */
function lengthPrefixed(length) {
  const random = numbers(3);
  const pieces = [];
  for (let used = 0; used < length; used += pieces.at(-1).length) {
    const payload = randomBytes(20 + random(180), used + 1);
    const field = Buffer.alloc(4);
    field.writeUInt32BE(payload.length);
    pieces.push(Buffer.concat([field, payload]));
  }
  return Buffer.concat(pieces);
}

const brokenRecords = (length) => {
  const lines = [];
  for (let i = 0, used = 0; used < length; used += lines[i].length, i += 1) lines[i] = `${i}:${record(i)}\n`;
  return Buffer.from(lines.join(''));
};
const oneString = (length) => Buffer.from(`"${'x'.repeat(length - 2)}"`);
const oneLine = (length) => Buffer.from(`${'x'.repeat(length - 2)}\r\n`);

const lines = records(MIB, '\r\n');
const zeros = records(MIB, '\0');
const parts = records(MIB, '--boundary--');
const objects = records(MIB, '\n');
const broken = brokenRecords(MIB);
const prefixed = lengthPrefixed(MIB);

/** How often `end` stands in a stream. */
const count = (stream, end) => stream.toString('latin1').split(end).length - 1;

/** How many messages their own lengths make of a stream. */
function countPrefixed(stream) {
  let messages = 0;
  for (let at = 0; at < stream.length; at += 4 + stream.readUInt32BE(at)) messages += 1;
  return messages;
}

/** Framing, its configuration, the stream's name, the stream, the messages that are in it, and the size of a read. */
const STREAMS = [
  [newline, 'crlf', 'lines of 200 B', lines, count(lines, '\r\n')],
  [newline, 'crlf', 'a line', oneLine(MIB), 1],
  [newline, 'crlf', 'a line', oneLine(4 * MIB), 1],
  [newline, 'crlf', 'a line, byte by byte', oneLine(64 * KIB), 1, 1],
  [newline, 'crlf', 'a line, byte by byte', oneLine(256 * KIB), 1, 1],
  [separator, '\\x00', 'records of 200 B', zeros, count(zeros, '\0')],
  [separator, '--boundary--', 'records of 200 B', parts, count(parts, '--boundary--')],
  // The last line feed belongs to no value, and goes out by itself.
  [json, undefined, 'objects of 200 B', objects, count(objects, '\n') + 1],
  [json, undefined, 'broken lines of 200 B', broken, count(broken, '\n')],
  [json, undefined, 'a string', oneString(MIB), 1],
  [json, undefined, 'a string', oneString(4 * MIB), 1],
  [json, undefined, 'a string, byte by byte', oneString(64 * KIB), 1, 1],
  [json, undefined, 'a string, byte by byte', oneString(256 * KIB), 1, 1],
  [dynamic32, 'endian=big', 'messages of 20 to 200 B', prefixed, countPrefixed(prefixed)],
  [fixedlength, '64', 'random bytes', randomBytes(MIB), MIB / 64],
  [auto, undefined, 'ASCII', text('ASCII', MIB), MIB / READ],
  [auto, undefined, 'random bytes', randomBytes(MIB), MIB / READ],
];

export function framings() {
  return STREAMS.map(([plugin, config, stream, whole, messages, read = READ]) => {
    const make = plugin.configure(config);
    const chunks =
      read === READ ? reads(whole, read) : Array.from(whole, (_, i) => whole.subarray(i, i + read));
    const sink = new CountingSink();
    const run = () => {
      sink.messages = 0;
      const segmenter = new Segmenter(make({ maximum: MAXIMUM }), sink, MAXIMUM);
      for (let i = 0; i < chunks.length; i += 1) segmenter.push(chunks[i]);
      segmenter.end();
      return sink.messages;
    };
    sink.kept = [];
    const items = run();
    const joined = Buffer.concat(sink.kept);
    sink.kept = undefined;
    const name = `${plugin.name}${config === undefined ? '' : ` ${config}`}: ${stream}`;
    const verify = () => {
      assertSame(joined, whole, name);
      if (items !== messages) throw new Error(`${name}: ${items} messages`);
    };
    const bytes = whole.length;
    return {
      part: 'framings',
      name,
      size: bytes,
      item: 'message',
      items,
      bytes,
      run,
      expected: items,
      verify,
    };
  });
}

class CountingSink {
  messages = 0;
  kept;

  onSegment(_text, bytes, start, end) {
    this.messages += 1;
    if (this.kept !== undefined) this.kept.push(bytes.subarray(start, end));
  }
}
