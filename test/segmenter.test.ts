import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { Fault } from '../src/errors.ts';
import type { Framing } from '../src/plugins/api.ts';
import { Segmenter } from '../src/segmenter.ts';
import { eachCut, SEED, SEEDED } from './support/cuts.ts';
import { answering, KeepingSink, lengthPrefixed, lines, singleBytes } from './support/fixtures-framings.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

function make(framing: Framing, maximum = 1_000_000) {
  const sink = new KeepingSink();
  return { sink, segmenter: new Segmenter(framing, sink, maximum) };
}

/** Feeds the pieces, ends, and tells what came out. Each piece has memory of its own, as a read has. */
function feed(framing: Framing, pieces: readonly Uint8Array[], maximum?: number): KeepingSink {
  const { sink, segmenter } = make(framing, maximum);
  for (const piece of pieces) segmenter.push(Uint8Array.from(piece));
  segmenter.end();
  expect(sink.modified).toBe(0);
  return sink;
}

/** Whether a message is UTF-8, judged by decoding it. */
function isText(message: Buffer): boolean {
  return Buffer.from(message.toString()).equals(message);
}

function faultOf(action: () => void): Fault {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(Fault);
    return error as Fault;
  }
  throw new Error('expected a Fault');
}

describe('messages', () => {
  test('are cut where the framing says, several of them from one read', () => {
    const { sink, segmenter } = make(lengthPrefixed());
    segmenter.push(bytes('\x03abc\x00\x01x\x02y'));
    expect(sink.messages).toEqual(['\x03abc', '\x00', '\x01x']);
    expect(segmenter.pending).toBe(2);
    segmenter.push(bytes('z'));
    expect(sink.messages).toEqual(['\x03abc', '\x00', '\x01x', '\x02yz']);
    expect(segmenter.pending).toBe(0);
  });

  test('that lie whole in a read are sent from that read, without a copy', () => {
    const sent: Uint8Array[] = [];
    const read = bytes('one\ntwo\nth');
    const segmenter = new Segmenter(lines(), { onSegment: (_text, memory) => sent.push(memory) }, 1000);
    segmenter.push(read);
    expect(sent).toHaveLength(2);
    for (const memory of sent) expect(memory).toBe(read);
  });

  test('come out one by one from a framing that takes single bytes', () => {
    expect(feed(singleBytes(), [bytes('abc'), bytes('d')]).messages).toEqual(['a', 'b', 'c', 'd']);
  });

  test('are not made of an empty read', () => {
    const { sink, segmenter } = make(answering(7));
    segmenter.push(bytes(''));
    segmenter.end();
    expect(sink.messages).toEqual([]);
  });

  const stream = bytes('first\n\nthird line\n\xe4\xf6\nrest without an end');
  test('of a newline framing are the same for every single cut', () => {
    const whole = feed(lines(), [stream]);
    expect(whole.messages).toEqual(['first\n', '\n', 'third line\n', '\xe4\xf6\n', 'rest without an end']);
    for (let cut = 0; cut <= stream.length; cut += 1) {
      const cutOnce = feed(lines(), [stream.subarray(0, cut), stream.subarray(cut)]);
      expect(cutOnce.messages).toEqual(whole.messages);
      expect(cutOnce.types).toEqual(whole.types);
    }
  });

  test.each([
    ['length-prefixed', () => lengthPrefixed('auto')],
    ['newline', () => lines()],
    ['byte at a time', () => singleBytes()],
  ])('of a %s framing are the same for random cuts, and none is written to again', (_name, framing) => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.uint8Array({ maxLength: 40, max: 12 }),
      fc.constant(bytes('a line\n')),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const whole = feed(framing(), [Buffer.concat(pieces)]);
        const cut = feed(framing(), pieces);
        expect(cut.messages).toEqual(whole.messages);
        expect(cut.types).toEqual(whole.types);
        expect(cut.messages.join('')).toBe(Buffer.concat(pieces).toString('latin1'));
      }),
    );
  });

  test('that were sent keep their bytes while hundreds of later ones grow through the same segmenter', () => {
    const { sink, segmenter } = make(lines());
    for (let i = 0; i < 300; i += 1) {
      const line = `${'x'.repeat(i * 7)}${i}\n`;
      const half = Math.floor(line.length / 2);
      segmenter.push(bytes(line.slice(0, half)));
      segmenter.push(bytes(`${line.slice(half)}${i}`));
      segmenter.push(bytes(' tail\n'));
    }
    expect(sink.kept).toHaveLength(600);
    expect(sink.modified).toBe(0);
    expect(sink.messages[599]).toBe('299 tail\n');
  });
});

describe('a message that began in an earlier read', () => {
  /** Answers each call with the next number, and keeps what it was shown. */
  function scripted(...answers: number[]): Framing & { shown: string[] } {
    const shown: string[] = [];
    return {
      type: 'binary',
      shown,
      next: (buffer, start, end) => {
        shown.push(Buffer.from(buffer.subarray(start, end)).toString('latin1'));
        return answers.shift() ?? 0;
      },
    };
  }

  test.each([
    ['ends in the next one', [0, 6, 3], ['abcdef', 'ghi'], ['abcd', 'abcdefghi', 'ghi']],
    ['ends with the next one', [0, 9], ['abcdefghi'], ['abcd', 'abcdefghi']],
    ['ends where the first read did', [0, 4, 5], ['abcd', 'efghi'], ['abcd', 'abcdefghi', 'efghi']],
    ['ends before that', [0, 2, 4, 3], ['ab', 'cdef', 'ghi'], ['abcd', 'abcdefghi', 'cdefghi', 'ghi']],
    [
      'ends before that, and so does another',
      [0, 1, 3, 5],
      ['a', 'bcd', 'efghi'],
      ['abcd', 'abcdefghi', 'bcdefghi', 'efghi'],
    ],
    ['ends before that, and the next one is not whole', [0, 2, 0], ['ab'], ['abcd', 'abcdefghi', 'cdefghi']],
    ['does not end', [0, 0], [], ['abcd', 'abcdefghi']],
  ])('%s, and the framing is asked once for each', (_what, answers, messages, shown) => {
    const framing = scripted(...answers);
    const { sink, segmenter } = make(framing);
    segmenter.push(bytes('abcd'));
    segmenter.push(bytes('efghi'));
    expect(sink.messages).toEqual(messages);
    expect(framing.shown).toEqual(shown);
    expect(segmenter.pending).toBe(9 - messages.join('').length);
  });

  test.each([
    ['a few bytes and a read', 100, 60_000],
    ['as many bytes as the read has', 60_000, 60_000],
    ['one byte more than the read has', 60_001, 60_000],
    ['a byte less than two reads of 64 KiB', 65_535, 65_536],
    ['two reads of 64 KiB', 65_536, 65_536],
    ['a byte more than two reads of 64 KiB', 65_536, 65_537],
    ['far more than that', 200_000, 300_000],
  ])('comes out the same from %s', (_what, waiting, read) => {
    const stream = Buffer.alloc(waiting + read, 'abcdefghijklmnopqrstuvwxyz');
    // The line goes on for a third of the read, and is followed by one that is whole and one that is not.
    const first = waiting + Math.floor(read / 3);
    const second = waiting + Math.floor(read / 2);
    stream[first] = 0x0a;
    stream[second] = 0x0a;
    const { sink, segmenter } = make(lines());
    segmenter.push(stream.subarray(0, waiting));
    segmenter.push(stream.subarray(waiting));
    segmenter.end();
    const latin1 = stream.toString('latin1');
    expect(sink.messages).toEqual([
      latin1.slice(0, first + 1),
      latin1.slice(first + 1, second + 1),
      latin1.slice(second + 1),
    ]);
    expect(sink.modified).toBe(0);
  });

  test('is not mixed up with what other streams have left over', () => {
    const streams = ['a', 'b', 'c'].map((letter) => ({ letter, ...make(lines()) }));
    for (let length = 1; length <= 40; length += 1) {
      for (const { letter, segmenter } of streams) segmenter.push(bytes(letter.repeat(length)));
      for (const { letter, segmenter } of streams)
        segmenter.push(bytes(`${letter}\n${letter.repeat(length)}`));
      for (const { segmenter } of streams) segmenter.push(bytes('\n'));
    }
    for (const { letter, sink } of streams) {
      const lengths = Array.from({ length: 40 }, (_, i) => [i + 2, i + 1]).flat();
      expect(sink.messages).toEqual(lengths.map((length) => `${letter.repeat(length)}\n`));
      expect(sink.modified).toBe(0);
    }
  });

  test('fails as any other where its framing answers what cannot be, or throws', () => {
    for (const answer of [-1, 10, 2.5, Number.NaN]) {
      const { sink, segmenter } = make(scripted(0, answer));
      segmenter.push(bytes('abcd'));
      expect(faultOf(() => segmenter.push(bytes('efghi'))).details['message']).toContain('for 9 bytes');
      expect(sink.messages).toEqual([]);
    }
  });
});

describe('types', () => {
  test.each([
    ['text', 'gr\xc3\xbc\xc3\x9fe\n', 'text', 0],
    ['text', 'gr\xfc\xdfe\n', 'binary', 1],
    ['auto', 'gr\xc3\xbc\xc3\x9fe\n', 'text', 0],
    ['auto', 'gr\xfc\xdfe\n', 'binary', 0],
    ['binary', 'plain\n', 'binary', 0],
    // Overlong, surrogates, above U+10FFFF: no UTF-8.
    ['text', '\xc0\xaf\n', 'binary', 1],
    ['text', '\xed\xa0\x80\n', 'binary', 1],
    ['text', '\xf4\x90\x80\x80\n', 'binary', 1],
  ] as const)('a message of type %s with %j goes out as %s', (type, line, expected, mistyped) => {
    const { sink, segmenter } = make(lines(type));
    segmenter.push(bytes(line));
    expect(sink.types).toEqual([expected]);
    expect(segmenter.mistyped).toBe(mistyped);
  });

  test('are judged for each message alone, not for the read that it came in', () => {
    const { sink, segmenter } = make(lines('text'));
    segmenter.push(bytes('good\n\xff\ngood\nbe'));
    segmenter.push(bytes('gun\n\xfe\n'));
    expect(sink.types).toEqual(['text', 'binary', 'text', 'text', 'binary']);
    expect(segmenter.mistyped).toBe(2);
  });

  test('are judged by what a message holds where its end lies in the middle of a character', () => {
    // Through each 0x82, the second of the three bytes of the Euro sign.
    const through82: Framing = {
      type: 'auto',
      next: (buffer, start, end) => buffer.subarray(start, end).indexOf(0x82) + 1,
    };
    eachCut(bytes('a\xe2\x82\xacb\xe2\x82\xac\xc2\x82c\x82'), (pieces) => {
      const sink = feed(through82, pieces);
      expect(sink.messages).toEqual(['a\xe2\x82', '\xacb\xe2\x82', '\xac\xc2\x82', 'c\x82']);
      expect(sink.types).toEqual(['binary', 'binary', 'binary', 'binary']);
    });
    eachCut(bytes('\xc2\x82\xe2\x82\xac\xc2\x82'), (pieces) => {
      const sink = feed(through82, pieces);
      expect(sink.messages).toEqual(['\xc2\x82', '\xe2\x82', '\xac\xc2\x82']);
      expect(sink.types).toEqual(['text', 'binary', 'binary']);
    });
  });

  test.each([
    ['length-prefixed', () => lengthPrefixed('auto')],
    ['newline', () => lines()],
    ['byte at a time', () => ({ ...singleBytes(), type: 'auto' as const })],
  ])(`of a %s framing are what each message is alone, for any cuts (TEST_SEED=${SEED})`, (_name, framing) => {
    const piece = fc.oneof(
      fc
        .constantFrom('a line\n', 'gr\u00fcn\n', '\u20ac\u20ac\n', '\n', '\u{1f600}')
        .map((text) => Buffer.from(text)),
      fc.constantFrom('\x02\xc3\xbc', '\x01\xc3', '\x03\xe2\x82\xac', '\xff\n', '\x82').map(bytes),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        eachCut(Buffer.concat(pieces), (cut) => {
          const { segmenter, sink } = make(framing());
          for (const read of cut) segmenter.push(read);
          const expected = sink.kept.map(({ atFirst }) => isText(atFirst));
          expect(sink.kept.map(({ text }) => text)).toEqual(expected);
        });
      }),
      { ...SEEDED, numRuns: 40 },
    );
  });

  test('are asked for after the message was found', () => {
    let found = 0;
    const framing: Framing = {
      get type() {
        return found % 2 === 1 ? 'text' : 'binary';
      },
      next: () => {
        found += 1;
        return 1;
      },
    };
    expect(feed(framing, [bytes('abcd')]).types).toEqual(['text', 'binary', 'text', 'binary']);
  });

  test('a message to discard is dropped, and the next one is found behind it', () => {
    const framing = lines('binary') as { -readonly [K in keyof Framing]: Framing[K] };
    const next = framing.next.bind(framing);
    framing.next = (buffer, start, ...rest) => {
      framing.type = buffer[start] === 0x23 ? 'discard' : 'binary';
      return next(buffer, start, ...rest);
    };
    const { sink, segmenter } = make(framing);
    segmenter.push(bytes('#comment\ndata\n#mo'));
    segmenter.push(bytes('re\nlast\n'));
    expect(sink.messages).toEqual(['data\n', 'last\n']);
    expect(segmenter.pending).toBe(0);
  });
});

describe('a framing that fails', () => {
  test.each([
    ['-1', -1],
    ['NaN', Number.NaN],
    ['1.5', 1.5],
    ['more than there is', 4],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['undefined', undefined],
    ['null', null],
    ['a string', '1'],
    ['a bigint', 1n],
    ['true', true],
    ['a promise', Promise.resolve(1)],
  ])('by answering %s is named in a framing-failed, and nothing was sent', (_what, answer) => {
    const { sink, segmenter } = make(answering(answer));
    const fault = faultOf(() => segmenter.push(bytes('abc')));
    expect(fault.code).toBe('framing-failed');
    expect(fault.details['message']).toContain('for 3 bytes');
    expect(sink.messages).toEqual([]);
  });

  test('by throwing becomes a framing-failed with its message and its error as the cause', () => {
    const error = new RangeError('length field is negative');
    const { segmenter } = make({
      type: 'binary',
      next: () => {
        throw error;
      },
    });
    expect(faultOf(() => segmenter.push(bytes('abc')))).toMatchObject({
      code: 'framing-failed',
      details: { message: 'length field is negative' },
      cause: error,
      message: 'peer data could not be framed',
    });
  });

  test('by throwing something that is no Error becomes a framing-failed too', () => {
    const { segmenter } = make({
      type: 'binary',
      next: () => {
        throw Object.create(null);
      },
    });
    expect(faultOf(() => segmenter.push(bytes('abc'))).code).toBe('framing-failed');
  });

  test('by a type that there is not is not taken for another type', () => {
    const { segmenter } = make({ ...answering(3), type: 'txt' as never });
    expect(faultOf(() => segmenter.push(bytes('abc'))).code).toBe('framing-failed');
  });

  test('only at its second message has sent the first one', () => {
    let calls = 0;
    const { sink, segmenter } = make({
      type: 'binary',
      next: () => {
        calls += 1;
        return calls === 1 ? 2 : -1;
      },
    });
    expect(faultOf(() => segmenter.push(bytes('abc'))).code).toBe('framing-failed');
    expect(sink.messages).toEqual(['ab']);
  });

  test('by asking for more than is left behind its first message fails there', () => {
    // Four are in the read, but only two from where the second message begins.
    const answers = [2, 3];
    const { sink, segmenter } = make({ type: 'binary', next: () => answers.shift()! });
    expect(faultOf(() => segmenter.push(bytes('abcd'))).details['message']).toContain(
      'answered 3 for 2 bytes',
    );
    expect(sink.messages).toEqual(['ab']);
  });

  test('at the end fails there', () => {
    const { segmenter } = make({ type: 'binary', next: (_b, _s, _e, _n, ended) => (ended ? 99 : 0) });
    segmenter.push(bytes('abc'));
    expect(faultOf(() => segmenter.end()).code).toBe('framing-failed');
  });
});

describe('the limit', () => {
  test('lets exactly so many bytes wait', () => {
    const { segmenter } = make(lines(), 8);
    segmenter.push(bytes('12345678'));
    expect(segmenter.pending).toBe(8);
  });

  test('ends a message that waits with a byte too many, with the numbers', () => {
    const { segmenter } = make(lines(), 8);
    segmenter.push(bytes('1234'));
    expect(faultOf(() => segmenter.push(bytes('56789')))).toMatchObject({
      code: 'segment-too-large',
      details: { actual: 9, maximum: 8 },
    });
  });

  test('ends a message that waits in one read', () => {
    const { segmenter } = make(lines(), 8);
    expect(faultOf(() => segmenter.push(bytes('123456789'))).code).toBe('segment-too-large');
  });

  test('is for whole messages too: one that is found is not sent if it is longer', () => {
    const { sink, segmenter } = make(lines(), 8);
    segmenter.push(bytes('1234567\n'));
    expect(faultOf(() => segmenter.push(bytes('12345678\n')))).toMatchObject({
      code: 'segment-too-large',
      details: { actual: 9, maximum: 8 },
    });
    expect(sink.messages).toEqual(['1234567\n']);
  });

  test('is for each message, not for what passes through', () => {
    const { sink, segmenter } = make(lines(), 8);
    for (let i = 0; i < 100; i += 1) segmenter.push(bytes('12\n34\n56\n7'));
    expect(sink.messages).toHaveLength(300);
  });
});

describe('a message that needs no cutting', () => {
  test('goes out whole, with the type that the framing finds in it', () => {
    const { sink, segmenter } = make({ ...lines('text'), next: () => 1 });
    segmenter.message(bytes('one\ntwo'));
    segmenter.message(bytes('\xff'));
    expect(sink.messages).toEqual(['one\ntwo', '\xff']);
    expect(sink.types).toEqual(['text', 'binary']);
  });

  test('is binary where the framing finds no message in it', () => {
    const { sink, segmenter } = make({ type: 'text', next: () => 0 });
    segmenter.message(bytes('abc'));
    expect(sink.types).toEqual(['binary']);
  });

  test('has the type that the framing began with if it is empty, whatever came before it', () => {
    const framing: Framing = {
      type: 'text',
      next(_buffer, start, end) {
        this.type = 'binary';
        return end - start;
      },
    };
    const { sink, segmenter } = make(framing);
    segmenter.message(bytes(''));
    segmenter.message(bytes('abc'));
    segmenter.message(bytes(''));
    expect(sink.messages).toEqual(['', 'abc', '']);
    expect(sink.types).toEqual(['text', 'binary', 'text']);
  });
});

describe('the end of the peer', () => {
  test('sends what is left as one last binary message, even if it is text', () => {
    const sink = feed(lines('text'), [bytes('a line\nno li'), bytes('ne')]);
    expect(sink.messages).toEqual(['a line\n', 'no line']);
    expect(sink.types).toEqual(['text', 'binary']);
  });

  test('tells the framing that no more will come, and sends what it then finds', () => {
    const calls: boolean[] = [];
    const framing: Framing = {
      type: 'auto',
      next: (_buffer, start, end, _scanned, ended) => {
        calls.push(ended);
        return ended ? Math.min(2, end - start) : 0;
      },
    };
    const sink = feed(framing, [bytes('abc'), bytes('de')]);
    expect(sink.messages).toEqual(['ab', 'cd', 'e']);
    expect(sink.types).toEqual(['text', 'text', 'text']);
    expect(calls).toEqual([false, false, true, true, true]);
  });

  test('does not ask the framing where nothing is left', () => {
    let calls = 0;
    const { sink, segmenter } = make({
      type: 'binary',
      next: (_buffer, start, end) => {
        calls += 1;
        return end - start;
      },
    });
    segmenter.push(bytes('abc'));
    segmenter.end();
    expect(calls).toBe(1);
    expect(sink.messages).toEqual(['abc']);
  });
});

describe('scanned', () => {
  interface Call {
    readonly length: number;
    readonly scanned: number;
    readonly answer: number;
  }

  /** Watches a framing's calls. */
  function watched(framing: Framing): Framing & { calls: Call[] } {
    const calls: Call[] = [];
    return {
      calls,
      get type() {
        return framing.type;
      },
      next(buffer, start, end, scanned, ended) {
        const answer = framing.next(buffer, start, end, scanned, ended);
        calls.push({ length: end - start, scanned, answer });
        return answer;
      },
    };
  }

  test('is how many bytes were there when next last answered 0, and 0 at the beginning of a message', () => {
    const framing = watched(lengthPrefixed());
    feed(framing, [bytes('\x03ab'), bytes(''), bytes('c\x01x\x02y'), bytes('z\x00'), bytes('\x05end')]);
    expect(framing.calls).toEqual([
      { length: 3, scanned: 0, answer: 0 },
      { length: 3, scanned: 3, answer: 0 },
      { length: 8, scanned: 3, answer: 4 },
      { length: 4, scanned: 0, answer: 2 },
      { length: 2, scanned: 0, answer: 0 },
      { length: 4, scanned: 2, answer: 3 },
      { length: 1, scanned: 0, answer: 1 },
      { length: 4, scanned: 0, answer: 0 },
      { length: 4, scanned: 4, answer: 0 },
    ]);
  });

  test('lets a framing look at each byte once, however the stream dribbles', () => {
    const framing = lines();
    const stream = bytes(`${'x'.repeat(5_000)}\nshort\n${'y'.repeat(5_000)}`);
    const sink = feed(
      framing,
      Array.from(stream, (_, i) => stream.subarray(i, i + 1)),
    );
    expect(sink.messages.map((message) => message.length)).toEqual([5_001, 6, 5_000]);
    // Each byte once while it comes in; at the end nothing is looked at again.
    expect(framing.looked).toBe(stream.length);
  });

  test('is never more than there is and never behind what was told before, for any cuts', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 30, max: 20 }), { maxLength: 20 }), (pieces) => {
        const framing = watched(lengthPrefixed());
        feed(framing, pieces);
        let waiting = 0;
        for (const { length, scanned, answer } of framing.calls) {
          expect(scanned).toBe(waiting);
          expect(scanned).toBeLessThanOrEqual(length);
          waiting = answer === 0 ? length : 0;
        }
      }),
    );
  });

  test('costs copies in proportion to the length, whatever the reads bring', () => {
    const LENGTH = 100_000;
    for (const read of [1, 7, 300, 40_000]) {
      const { segmenter } = make(answering(0));
      const copies = vi.spyOn(Uint8Array.prototype, 'set');
      for (let at = 0; at < LENGTH; at += read) segmenter.push(new Uint8Array(read));
      const copied = copies.mock.calls.reduce((sum, [source]) => sum + source.length, 0);
      copies.mockRestore();
      // Each byte as it comes, twice more on the desk, and less than twice as the buffer grows.
      expect(copied).toBeGreaterThanOrEqual(LENGTH);
      expect(copied).toBeLessThan(5 * (LENGTH + read));
    }
  });

  test('costs work in proportion to the length: joining does not copy a message once per byte', () => {
    // Memory that is asked for is counted, not time: the buffer behind the joined bytes changes with each doubling only.
    const memories = new Set<ArrayBufferLike>();
    const framing: Framing = {
      type: 'binary',
      next: (buffer) => {
        memories.add(buffer.buffer);
        return 0;
      },
    };
    const { segmenter } = make(framing);
    const read = new Uint8Array(1);
    for (let i = 0; i < 100_000; i += 1) segmenter.push(read);
    expect(segmenter.pending).toBe(100_000);
    expect(memories.size).toBeLessThan(20);
  });
});
