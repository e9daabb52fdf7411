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

/** Framing, its configuration, the stream's name, the stream, the size of a read, and the messages in it, if known. */
const STREAMS = [
  [newline, 'crlf', 'lines of 200 B', records(MIB, '\r\n'), READ],
  [newline, 'crlf', 'a line', oneLine(MIB), READ, 1],
  [newline, 'crlf', 'a line', oneLine(4 * MIB), READ, 1],
  [newline, 'crlf', 'a line, byte by byte', oneLine(64 * KIB), 1, 1],
  [newline, 'crlf', 'a line, byte by byte', oneLine(256 * KIB), 1, 1],
  [separator, '\\x00', 'records of 200 B', records(MIB, '\0'), READ],
  [separator, '--boundary--', 'records of 200 B', records(MIB, '--boundary--'), READ],
  [json, undefined, 'objects of 200 B', records(MIB, '\n'), READ],
  [json, undefined, 'broken lines of 200 B', brokenRecords(MIB), READ],
  [json, undefined, 'a string', oneString(MIB), READ, 1],
  [json, undefined, 'a string', oneString(4 * MIB), READ, 1],
  [json, undefined, 'a string, byte by byte', oneString(64 * KIB), 1, 1],
  [json, undefined, 'a string, byte by byte', oneString(256 * KIB), 1, 1],
  [dynamic32, 'offset=0,static=0,endian=big', 'messages of 20 to 200 B', lengthPrefixed(MIB), READ],
  [fixedlength, '64', 'random bytes', randomBytes(MIB), READ, MIB / 64],
  [auto, undefined, 'ASCII', text('ASCII', MIB), READ, MIB / READ],
  [auto, undefined, 'random bytes', randomBytes(MIB), READ, MIB / READ],
];

export function framings() {
  return STREAMS.map(([plugin, config, stream, whole, read, messages]) => {
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
      if (messages !== undefined && items !== messages) throw new Error(`${name}: ${items} messages`);
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
