/**
 * Each framing through the segmenter: every byte goes out once and in order, the cuts make no difference, no message is
 * longer than the bound, and short messages that are handed on together are the same as one by one. `json` also
 * answers to JSON.parse.
 *
 * The input's first byte chooses framing and configuration, the second one the bound; the rest is what the peer sends.
 */
import fc from 'fast-check';
import type { Framing, FramingBounds, FramingPlugin } from '../../../src/plugins/api.ts';
import auto from '../../../src/plugins/framings/auto.ts';
import binary from '../../../src/plugins/framings/binary.ts';
import dynamic32 from '../../../src/plugins/framings/dynamic32.ts';
import fixedlength from '../../../src/plugins/framings/fixedlength.ts';
import json from '../../../src/plugins/framings/json.ts';
import newline from '../../../src/plugins/framings/newline.ts';
import separator from '../../../src/plugins/framings/separator.ts';
import { Segmenter, type SegmentSink } from '../../../src/segmenter.ts';
import { latin1 } from '../../support/bytes.ts';
import { expectedOf } from '../../support/json-oracle.ts';
import type { Random } from '../../support/randomness.ts';
import { codeOf, cutsOf, insist, insistSame, latin1Of, randomOf, type Target } from '../target.ts';

interface Choice {
  readonly name: string;
  readonly make: (bounds: FramingBounds) => Framing;
  /** Each read is a message: then the cuts do count. */
  readonly byRead: boolean;
}

function choice(plugin: FramingPlugin, config?: string, byRead = false): Choice {
  return { name: `${plugin.name} ${config ?? ''}`, make: plugin.configure(config), byRead };
}

export const CHOICES: readonly Choice[] = [
  choice(json),
  choice(newline, 'crlf'),
  choice(newline, 'lf'),
  choice(newline, 'lfcr'),
  choice(newline, 'cr'),
  choice(separator, '\\n'),
  choice(separator, 'aab'),
  choice(separator, '\\0\\0'),
  choice(separator, '\\xff'),
  choice(separator, '', true),
  choice(fixedlength, '1'),
  choice(fixedlength, '7'),
  choice(dynamic32),
  choice(dynamic32, 'endian=big'),
  choice(dynamic32, 'offset=1,static=-3'),
  choice(dynamic32, 'static=-4'),
  choice(auto, undefined, true),
  choice(binary, undefined, true),
];
const BOUNDS = [8, 20, 130, 4_000];

type Message = readonly ['text' | 'binary', string];

interface Outcome {
  readonly messages: readonly Message[];
  readonly over: string;
}

class Collector implements SegmentSink {
  readonly messages: Message[] = [];

  onSegment(text: boolean, bytes: Uint8Array, start: number, end: number): void {
    insist(start <= end && end <= bytes.length, `a message from ${start} to ${end} of ${bytes.length} bytes`);
    const message = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1', start, end);
    this.messages.push([text ? 'text' : 'binary', message]);
  }
}

/** Also takes short messages many at once, as many as it likes. */
class ShortCollector extends Collector {
  readonly #random: Random;

  constructor(random: Random) {
    super();
    this.#random = random;
  }

  onShortSegments(
    text: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
    delimiter: Uint8Array,
  ): number {
    const memory = Buffer.from(bytes.buffer, bytes.byteOffset, end);
    let at = start;
    while (at < end && this.#random.int(0, 7) > 0) {
      const found = memory.indexOf(delimiter, at);
      const to = found + delimiter.length;
      if (found < 0 || to - at > 125) break;
      this.onSegment(text, bytes, at, to);
      at = to;
    }
    return at;
  }
}

function segment({ make }: Choice, maximum: number, pieces: readonly Uint8Array[], sink: Collector): Outcome {
  const code = codeOf(['segment-too-large', 'framing-failed'], () => {
    const segmenter = new Segmenter(make({ maximum }), sink, maximum);
    for (const piece of pieces) {
      segmenter.push(amidJunk(piece));
      insist(segmenter.pending <= maximum, `${segmenter.pending} bytes wait, more than ${maximum}`);
    }
    segmenter.end();
  });
  return { messages: sink.messages, over: code ?? 'end' };
}

/** In memory as reads of Node's lie in: what stands around it would end a message. */
function amidJunk(piece: Uint8Array): Buffer {
  const memory = Buffer.alloc(piece.length + 16, '\r\n\r"}');
  memory.set(piece, 5);
  return memory.subarray(5, 5 + piece.length);
}

function judge({ name }: Choice, maximum: number, stream: string, { messages, over }: Outcome): void {
  const sent = messages.map(([, message]) => message).join('');
  insist(
    over === 'end' ? sent === stream : stream.startsWith(sent),
    `${name}: other bytes go out than came in`,
  );
  for (const [type, message] of messages) {
    insist(message.length > 0 && message.length <= maximum, `${name}: a message of ${message.length} bytes`);
    const bytes = Buffer.from(message, 'latin1');
    if (type === 'text')
      insist(bytes.equals(Buffer.from(bytes.toString())), `${name}: text that is not UTF-8`);
  }
}

/** Up to this length a stream is short enough for the oracle, which tries hundreds of texts for each byte. */
const ORACLE = 24;

function judgeJson(stream: string, maximum: number, outcome: Outcome): void {
  for (const [type, message] of outcome.messages) {
    if (type === 'text') JSON.parse(message);
  }
  if (stream.length <= ORACLE && stream.length <= maximum)
    insistSame(outcome, { messages: expectedOf(stream), over: 'end' }, 'json: JSON.parse finds other values');
}

const JSON_VALUES = fc
  .array(fc.tuple(fc.json({ maxDepth: 3 }), fc.constantFrom(' ', '\n', '', '\t\r\n', ',')), { maxLength: 5 })
  .map((values) => Buffer.from(values.flat().join(''), 'utf8').toString('latin1'));
const PARTS = [
  '\r',
  '\n',
  '\r\n',
  '\n\r',
  '\0',
  '\0\0\0\x02',
  '\x02\0\0\0',
  'a',
  'aab',
  '\xff',
  '{}',
  '["',
  '"',
  '1',
  '-',
  ' ',
  '\xc3\xbc',
  '\\u00e9',
  'true',
];
const SALAD = fc
  .array(fc.oneof(fc.constantFrom(...PARTS), fc.string({ unit: 'binary-ascii', maxLength: 30 })), {
    maxLength: 25,
  })
  .map((parts) => parts.join(''));
const TOKENS = [
  '{',
  '}',
  '[',
  ']',
  ':',
  ',',
  '"a"',
  '"',
  '\\',
  'u12',
  '-',
  '0',
  '12',
  '.5',
  'e',
  'E+1',
  'true',
  'nul',
  ' ',
  '\n',
];
const ALMOST_JSON = fc.array(fc.constantFrom(...TOKENS), { maxLength: 10 }).map((tokens) => tokens.join(''));
const LINES = fc
  .array(
    fc.tuple(fc.string({ unit: 'binary-ascii', maxLength: 150 }), fc.constantFrom('\r\n', '\n', '\r', 'aab')),
    {
      maxLength: 8,
    },
  )
  .map((lines) => lines.flat().join(''));

export const framings: Target = {
  name: 'framings',
  about: 'each framing through the segmenter: bytes kept, any cuts, bounds; json against JSON.parse',
  inputs: fc
    .tuple(
      fc.oneof(fc.nat(CHOICES.length - 1), fc.constant(0)),
      fc.nat(BOUNDS.length - 1),
      fc.oneof(SALAD, LINES, JSON_VALUES, ALMOST_JSON),
    )
    .map(([framing, bound, stream]) => latin1(String.fromCharCode(framing, bound) + stream)),
  words: [...PARTS, ...TOKENS],
  run(input) {
    if (input.length < 2) return;
    const choice = CHOICES[input[0]! % CHOICES.length]!;
    const maximum = BOUNDS[input[1]! % BOUNDS.length]!;
    const bytes = input.subarray(2);
    const stream = latin1Of(bytes);
    const random = randomOf(input);
    let first: Outcome | undefined;
    for (const pieces of cutsOf(bytes, random)) {
      const outcome = segment(choice, maximum, pieces, new Collector());
      judge(choice, maximum, stream, outcome);
      const together = segment(choice, maximum, pieces, new ShortCollector(random));
      insistSame(together, outcome, `${choice.name}: handed on together`);
      first ??= outcome;
      if (!choice.byRead) insistSame(outcome, first, `${choice.name}: cut into ${pieces.length}`);
    }
    if (choice.name.startsWith('json')) judgeJson(stream, maximum, first!);
  },
};
