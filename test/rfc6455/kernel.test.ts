/**
 * The kernel beside the definition: `decodeInto` says what `decode` says, whatever comes and however it is cut.
 *
 * Both are given the same chunks; the kernel's lie in its memory at any alignment, and are written over when it has
 * taken them. What it says is compared as the two kinds of peer see it: to a message peer each message, to a stream peer
 * the stream, and each piece that a check of UTF-8 has to see.
 */
import { describe, expect, test } from 'vitest';
import { Fault, type FaultCode } from '../../src/errors.ts';
import { FrameDecoder, type FrameSink } from '../../src/rfc6455/frame-decoder.ts';
import { FLOOR, loadKernel } from '../../src/rfc6455/kernel.ts';
import { clientFrame, concat, counting, hex, hexOf, utf8 } from '../support/bytes.ts';
import { eachCut, SEED } from '../support/cuts.ts';
import { mutated, someFrames } from '../support/random-frames.ts';
import { Random } from '../support/randomness.ts';

const KIB = 1_024;
const KERNEL = loadKernel(512 * KIB);
/** Where the chunks lie, and what they are decoded into, each with room for a misalignment. */
const CHUNK_AT = FLOOR + 16;
const TARGET_AT = 256 * KIB;
/** Of the chunks at random: a read of the daemon's. */
const LARGEST = 64 * KIB;

type Peer = 'stream' | 'message';

interface Ways {
  readonly peer: Peer;
  readonly maxMessage?: number;
  /** Whether the decoder is held up behind every third thing that it says. */
  readonly suspends?: boolean;
}

/**
 * What a decoder said, as lines:
 *
 *     whole 1 6162       a message for a message peer; `part`: as much as there is of one
 *     stream 6162        all payload for a stream peer that no control frame stands between
 *     look 1 c3 end      a piece for a stream peer in which a character may be open
 *     control 9 00       a control frame
 *     fault …            with its details
 */
class Record implements FrameSink {
  readonly lines: string[] = [];
  readonly decoder = new FrameDecoder(this);
  readonly #ways: Ways;
  #payload: string[] = [];
  #opcode = 0;
  #mixed = false;
  #said = 0;

  constructor(ways: Ways) {
    this.#ways = ways;
    if (ways.peer === 'message') this.decoder.giveEach();
    if (ways.maxMessage !== undefined) this.decoder.limitMessages(ways.maxMessage);
  }

  onPiece(
    opcode: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    ends: boolean,
    ascii: boolean,
  ): void {
    const piece = bytes.subarray(start, end);
    if (ascii !== piece.every((byte) => byte < 0x80)) this.lines.push(`not true: ascii ${ascii}`);
    this.#payload.push(hexOf(piece));
    this.#opcode = opcode;
    if (this.#ways.peer === 'message') {
      if (ends) this.#flush('whole');
    } else if (opcode === 1) {
      this.#mixed ||= !ascii;
      if (this.#mixed && (piece.length > 0 || ends))
        this.lines.push(`look ${opcode} ${hexOf(piece)}${ends ? ' end' : ''}`);
      if (ends) this.#mixed = false;
    }
    if (ends) this.#hold();
  }

  onRun(bytes: Uint8Array, start: number, end: number): void {
    if (this.#ways.peer !== 'stream') this.lines.push('a run for a message peer');
    this.#payload.push(hexOf(bytes.subarray(start, end)));
  }

  onControl(opcode: number, payload: Uint8Array): void {
    this.#flush('part');
    this.lines.push(`control ${opcode} ${hexOf(payload)}`);
    this.#hold();
  }

  /** Calls `decode` until it has taken all of a chunk, a Fault has come or it has stopped. */
  feed(decode: (from: number) => number, length: number): void {
    try {
      for (let from = 0; from < length; ) {
        const taken = decode(from);
        if (taken === 0) return;
        from += taken;
        if (from < length) this.#said = 0;
      }
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#flush('part');
      this.lines.push(`fault ${error.code} ${JSON.stringify(error.details)}`);
    }
  }

  end(): readonly string[] {
    this.#flush('part');
    return this.lines;
  }

  /** Of a stream, messages come by themselves in no way that could be compared. */
  #hold(): void {
    this.#said += 1;
    if (this.#ways.suspends && this.#ways.peer === 'message' && this.#said % 3 === 0) this.decoder.suspend();
  }

  #flush(kind: 'whole' | 'part'): void {
    const payload = this.#payload.join('');
    this.#payload = [];
    if (this.#ways.peer === 'stream') {
      if (payload !== '') this.lines.push(`stream ${payload}`);
    } else if (kind === 'whole' || payload !== '') {
      this.lines.push(`${kind} ${this.#opcode} ${payload}`);
    }
  }
}

function byDefinition(pieces: readonly Uint8Array[], ways: Ways): readonly string[] {
  const record = new Record(ways);
  for (const piece of pieces) {
    const chunk = new Uint8Array(piece);
    record.feed((from) => record.decoder.decode(chunk.subarray(from)), chunk.length);
  }
  return record.end();
}

/** @param alignment of the chunk in the lowest four bits, of the target in the next */
function byKernel(pieces: readonly Uint8Array[], ways: Ways, alignment: number): readonly string[] {
  const kernel = KERNEL;
  const record = new Record(ways);
  const memory = new Uint8Array(kernel.buffer);
  for (const piece of pieces) {
    const at = CHUNK_AT + (alignment & 15);
    const chunk = memory.subarray(at, at + piece.length);
    chunk.set(piece);
    const bytes = memory.subarray(TARGET_AT + (alignment >> 4), TARGET_AT + (alignment >> 4) + piece.length);
    const target = { bytes, used: 0 };
    record.feed((from) => record.decoder.decodeInto(chunk.subarray(from), target, kernel), chunk.length);
    if (target.used > piece.length) record.lines.push(`more out than in: ${target.used}`);
    chunk.fill(0xee);
    bytes.fill(0xee);
  }
  return record.end();
}

let alignments = 0;

function expectSame(pieces: readonly Uint8Array[], ways: Ways): readonly string[] {
  const expected = byDefinition(pieces, ways);
  alignments = (alignments + 1) & 255;
  const seen = byKernel(pieces, ways, alignments);
  if (seen.join() !== expected.join()) expect(seen).toEqual(expected);
  return expected;
}

const BOTH: readonly Ways[] = [
  { peer: 'stream' },
  { peer: 'message' },
  { peer: 'message', maxMessage: 300, suspends: true },
];

/** The same under every cut and to every peer, and of the message peer without a limit what was said. */
function expectSameUnderCuts(bytes: Uint8Array): readonly string[] {
  eachCut(bytes, (pieces) => {
    for (const ways of BOTH) expectSame(pieces, ways);
  });
  return byKernel([bytes], { peer: 'message' }, 0);
}

describe('beside the definition, on literal frames', () => {
  const KEY = '37fa213d';

  test.for<readonly [what: string, digits: string, seen: readonly string[]]>([
    ['§5.7: a text', '81 85 37fa213d 7f9f4d5158', ['whole 1 48656c6c6f']],
    ['§5.7: a fragmented one', '01 83 00000000 48656c  80 82 00000000 6c6f', ['whole 1 48656c6c6f']],
    ['§5.6: an empty binary', `82 80 ${KEY}`, ['whole 2 ']],
    [
      '§5.4: empty fragments',
      `02 80 ${KEY} 00 80 ${KEY} 80 80 ${KEY} 82 80 ${KEY}`,
      ['whole 2 ', 'whole 2 '],
    ],
    [
      '§5.4: a Ping between fragments',
      '02 81 00000000 01  89 81 00000000 09  80 81 00000000 02',
      ['part 2 01', 'control 9 09', 'whole 2 02'],
    ],
    [
      '§5.4: a frame behind a Ping',
      '89 80 00000000  82 84 00000000 01020304',
      ['control 9 ', 'whole 2 01020304'],
    ],
    [
      '§5.5: a Close behind a frame',
      '82 81 00000000 01 88 82 00000000 03e8',
      ['whole 2 01', 'control 8 03e8'],
    ],
    [
      '§5.6: a character over frames, fragments and messages of ASCII',
      '01 82 00000000 61e2  00 81 00000000 82  00 80 00000000  80 82 00000000 ac62  81 81 00000000 63',
      ['whole 1 61e282ac62', 'whole 1 63'],
    ],
    [
      '§5.6: bytes that are no text at all',
      '81 82 00000000 ff80  82 82 00000000 ff80',
      ['whole 1 ff80', 'whole 2 ff80'],
    ],
  ])('%s', ([, digits, seen]) => {
    expect(expectSameUnderCuts(hex(digits))).toEqual(seen);
  });

  test.for<readonly [what: string, digits: string, code: FaultCode]>([
    ['§5.2: RSV1', 'c1 80', 'rsv-set'],
    ['§5.2: RSV2', 'a2 80', 'rsv-set'],
    ['§5.2: RSV3', '92 80', 'rsv-set'],
    ['§5.2: the opcode 3', '83 80', 'opcode-reserved'],
    ['§5.2: the opcode 7', '07 80', 'opcode-reserved'],
    ['§5.2: the opcode 11', '8b 80', 'opcode-reserved'],
    ['§5.4: a continuation of nothing', '80 80', 'continuation-unexpected'],
    ['§5.4: a continuation of nothing that does not end', '00 80', 'continuation-unexpected'],
    ['§5.4: a message within a message', '01 80 00000000 82 80', 'message-interrupted'],
    ['§5.4: the same opcode again', '02 80 00000000 02 80', 'message-interrupted'],
    ['§5.4: RSV1 within a message', '02 80 00000000 c0 80', 'rsv-set'],
    ['§5.1: no mask', '82 01', 'mask-missing'],
    ['§5.1: no mask, of 126', '82 7e 007e', 'mask-missing'],
    ['§5.1: no mask, of 127', '82 7f', 'mask-missing'],
    ['§5.2: 125 in 16 bits', '82 fe 007d', 'length-not-minimal'],
    ['§5.2: 0 in 16 bits', '82 fe 0000', 'length-not-minimal'],
    ['§5.2: 65535 in 64 bits', '82 ff 000000000000ffff', 'length-not-minimal'],
    ['§5.2: 0 in 64 bits', '82 ff 0000000000000000', 'length-not-minimal'],
    ['§5.2: 2^63', '82 ff 8000000000000000', 'length-invalid'],
    ['§5.2: 2^63 and a little', '82 ff 8000000000010000', 'length-invalid'],
    ['§10.4: 2^53', '82 ff 0020000000000000', 'frame-too-large'],
    ['§5.5: a Ping that is not the last', '09 80', 'control-fragmented'],
    ['§5.5: a Ping of 126', '89 fe 007e', 'control-too-long'],
  ])('%s', ([, digits, code]) => {
    const behind = '00000000 0102030405060708090a';
    for (const before of ['', '82 81 00000000 61', '8a 80 00000000'])
      expect(expectSameUnderCuts(hex(`${before} ${digits} ${behind}`)).at(-1)).toContain(`fault ${code} `);
  });

  test.for([
    ['126', 126],
    ['127', 127],
    ['255', 255],
    ['256', 256],
    ['65535', 65_535],
    ['65536', 65_536],
    ['65537', 65_537],
  ] as const)('§5.2: %s bytes, and the frame behind them', ([, length]) => {
    const payload = counting(length);
    const bytes = concat(clientFrame({ opcode: 2, payload }), hex('82 81 00000000 61'));
    for (const peer of ['stream', 'message'] as const) {
      for (const cut of [1, 2, 5, 13, 14, 15, 4_000, length])
        expectSame([bytes.subarray(0, cut), bytes.subarray(cut)], { peer });
    }
    expect(byKernel([bytes], { peer: 'message' }, 0)).toEqual([`whole 2 ${hexOf(payload)}`, 'whole 2 61']);
  });

  test.for([
    ['2^31 - 1', '000000007fffffff'],
    ['2^31', '0000000080000000'],
    ['2^32 - 1', '00000000ffffffff'],
    ['2^32', '0000000100000000'],
    ['2^32 + 5', '0000000100000005'],
    ['2^53 - 1', '001fffffffffffff'],
  ] as const)('§5.2: a frame of %s bytes has no end in sight', ([, length]) => {
    const payload = counting(1_000);
    const bytes = concat(hex(`82 ff ${length} 00000000`), payload, hex('82 81 00000000 61'));
    expect(expectSameUnderCuts(bytes)).toEqual([`part 2 ${hexOf(bytes.subarray(14))}`]);
  });

  test.for([
    ['2^32 - 1', 2 ** 32 - 1],
    ['2^32 + 3', 2 ** 32 + 3],
  ] as const)('§5.2: a frame of %s bytes ends where it ends', ([, length]) => {
    // As long as that, but of a few bytes only: what is decoded into is always the same memory.
    const kernel = loadKernel(9 * KIB * KIB);
    const memory = new Uint8Array(kernel.buffer);
    const size = 4 * KIB * KIB;
    let count = 0;
    let controls = 0;
    const decoder = new FrameDecoder({
      onPiece: (_opcode, _bytes, start, end) => (count += end - start),
      onRun: (_bytes, start, end) => (count += end - start),
      onControl: () => (controls += 1),
    });
    const decode = (bytes: number): void => {
      const target = { bytes: memory.subarray(size + 64, 2 * size + 64), used: 0 };
      expect(decoder.decodeInto(memory.subarray(64, 64 + bytes), target, kernel)).toBe(bytes);
    };
    const header = Buffer.alloc(14);
    header.set([0x82, 0xff]);
    header.writeBigUInt64BE(BigInt(length), 2);
    memory.set(header, 64);
    decode(header.length);
    let left = length;
    for (; left > size; left -= size) decode(size);
    expect(count).toBe(length - left);
    memory.set(hex('89 80 00000000'), 64 + left);
    decode(left + 6);
    expect(count).toBe(length);
    expect(controls).toBe(1);
  });

  test('a frame that is masked and under way is unmasked from where it was left', () => {
    const frame = clientFrame({ opcode: 2, payload: counting(200) });
    for (let first = 6; first < 60; first += 1)
      for (let second = 1; second < 40; second += 1)
        expectSame([frame.slice(0, first), frame.slice(first, first + second), frame.slice(first + second)], {
          peer: 'stream',
        });
  });

  test('§8.1: text that is not ASCII is handed on by itself wherever its byte stands, and ASCII is not', () => {
    const kernel = KERNEL;
    const memory = new Uint8Array(kernel.buffer);
    for (const length of [1, 2, 3, 4, 7, 8, 15, 16, 17, 33, 63, 64, 65, 80, 127, 130, 200]) {
      for (let at = -1; at < length; at += 1) {
        const payload = new Uint8Array(length).fill(0x7f);
        if (at >= 0) payload[at] = 0x80;
        const frame = clientFrame({ opcode: 1, payload });
        memory.set(frame, CHUNK_AT);
        const seen: string[] = [];
        const decoder = new FrameDecoder({
          onPiece: (_opcode, _bytes, start, end, ends, ascii) => seen.push(`${end - start} ${ends} ${ascii}`),
          onRun: (_bytes, start, end) => seen.push(`run of ${end - start}`),
          onControl: () => {},
        });
        const target = { bytes: memory.subarray(TARGET_AT), used: 0 };
        decoder.decodeInto(memory.subarray(CHUNK_AT, CHUNK_AT + frame.length), target, kernel);
        expect(seen, `${at} of ${length}`).toEqual([at < 0 ? `run of ${length}` : `${length} true false`]);
      }
    }
  });

  test('many short messages are one run, binary whatever its bytes', () => {
    const memory = new Uint8Array(KERNEL.buffer);
    const pair = concat(
      clientFrame({ opcode: 1, payload: utf8('ab') }),
      clientFrame({ opcode: 2, payload: hex('80ff') }),
    );
    const frames = concat(...Array.from({ length: 50 }, () => pair));
    memory.set(frames, CHUNK_AT);
    const seen: string[] = [];
    const decoder = new FrameDecoder({
      onPiece: () => seen.push('piece'),
      onRun: (bytes, start, end) => seen.push(hexOf(bytes.subarray(start, end))),
      onControl: () => seen.push('control'),
    });
    const target = { bytes: memory.subarray(TARGET_AT), used: 0 };
    expect(decoder.decodeInto(memory.subarray(CHUNK_AT, CHUNK_AT + 800), target, KERNEL)).toBe(800);
    expect(seen).toEqual(['616280ff'.repeat(50)]);
    expect(target.used).toBe(200);
  });

  test('behind a message that is not ASCII there are runs again', () => {
    const memory = new Uint8Array(KERNEL.buffer);
    const bytes = hex('01 81 00000000 c3  80 81 00000000 a9  81 81 00000000 61  82 81 00000000 62');
    memory.set(bytes, CHUNK_AT);
    const seen: string[] = [];
    const decoder = new FrameDecoder({
      onPiece: (_opcode, piece, start, end) => seen.push(`piece ${hexOf(piece.subarray(start, end))}`),
      onRun: (run, start, end) => seen.push(`run ${hexOf(run.subarray(start, end))}`),
      onControl: () => {},
    });
    const target = { bytes: memory.subarray(TARGET_AT), used: 0 };
    decoder.decodeInto(memory.subarray(CHUNK_AT, CHUNK_AT + bytes.length), target, KERNEL);
    expect(seen).toEqual(['piece c3', 'piece a9', 'run 6162']);
  });

  test('§5.5.1: stop has effect at once, also from within a run', () => {
    const kernel = KERNEL;
    const memory = new Uint8Array(kernel.buffer);
    const frames = hex('82 81 00000000 01  81 81 00000000 80  89 80 00000000');
    memory.set(frames, CHUNK_AT);
    const chunk = memory.subarray(CHUNK_AT, CHUNK_AT + frames.length);
    const seen: string[] = [];
    const decoder: FrameDecoder = new FrameDecoder({
      onPiece: () => seen.push('piece'),
      onRun: () => {
        seen.push('run');
        decoder.stop();
      },
      onControl: () => seen.push('control'),
    });
    const target = { bytes: memory.subarray(TARGET_AT), used: 0 };
    decoder.decodeInto(chunk, target, kernel);
    expect(decoder.decodeInto(chunk, target, kernel)).toBe(0);
    expect(seen).toEqual(['run']);
  });

  test('§7.1.7: nothing is decoded after a fault', () => {
    const record = new Record({ peer: 'stream' });
    const kernel = KERNEL;
    const memory = new Uint8Array(kernel.buffer);
    const target = { bytes: memory.subarray(TARGET_AT), used: 0 };
    const give = (digits: string): void => {
      const bytes = hex(digits);
      memory.set(bytes, CHUNK_AT);
      const chunk = memory.subarray(CHUNK_AT, CHUNK_AT + bytes.length);
      record.feed((from) => record.decoder.decodeInto(chunk.subarray(from), target, kernel), chunk.length);
    };
    give('82 81 00000000 01 c2 80 00000000 82 81 00000000 02');
    give('82 81 00000000 03');
    expect(record.end()).toEqual(['stream 01', 'fault rsv-set {"rsv":4}']);
  });

  test('§10.4: a limit counts what the kernel takes as well as what the definition takes', () => {
    const ways: Ways = { peer: 'message', maxMessage: 10 };
    const within = '02 84 00000000 00000000  89 80 00000000  00 84 00000000 00000000';
    for (const digits of [
      `${within} 80 82 00000000 0000  82 8a 00000000 00000000000000000000  82 8b 00000000 00`,
      `${within} 00 83 00000000 00`,
      `${within} 80 fe 0100 00000000 00`,
      `${within} 80 ff 0000000100000000 00000000 00`,
    ]) {
      eachCut(hex(digits), (pieces) => {
        expect(expectSame(pieces, ways).at(-1)).toMatch(/^fault message-too-large /);
      });
    }
  });
});

describe('beside the definition, at random', () => {
  const ROUNDS = 100;

  /** In reads as large as they can be, byte by byte where that is not long, and in pieces of random sizes. */
  function eachWay(bytes: Uint8Array, random: Random): void {
    for (const size of [LARGEST, 1, random.int(2, 4), random.int(5, 60), random.int(61, 3_000)]) {
      if (bytes.length / size > 1_000) continue;
      const pieces: Uint8Array[] = [];
      for (let at = 0; at < bytes.length; at += pieces.at(-1)!.length)
        pieces.push(bytes.subarray(at, at + (size === LARGEST ? size : random.int(1, size))));
      for (const ways of BOTH) expectSame(pieces, ways);
    }
  }

  const kinds = [
    ['frames in order', 1, { count: 12 }],
    ['text that is sometimes wrong', 2, { count: 12, badText: 0.2 }],
    ['some frames that break a rule', 3, { count: 12, wrong: 0.1, badText: 0.05 }],
    ['long frames', 4, { count: 20, long: true, wrong: 0.01 }],
  ] as const;
  test.for(kinds)(`%s (TEST_SEED=${SEED})`, ([, number, options]) => {
    const random = new Random(SEED + number);
    for (let round = 0; round < ROUNDS; round += 1) {
      const count = random.int(1, options.count);
      eachWay(someFrames(random, { ...options, count }), random);
    }
  });

  test(`frames with bytes changed, left out and doubled (TEST_SEED=${SEED})`, () => {
    const random = new Random(SEED + 5);
    for (let round = 0; round < ROUNDS; round += 1) {
      const frames = someFrames(random, { count: random.int(1, 12), long: random.int(0, 9) === 0 });
      eachWay(mutated(frames, random), random);
    }
  });

  test(`any bytes (TEST_SEED=${SEED})`, () => {
    const random = new Random(SEED + 6);
    for (let round = 0; round < ROUNDS; round += 1) eachWay(random.bytes(random.int(0, 120)), random);
  });
});
