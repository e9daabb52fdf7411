/**
 * The frame decoder and the kernel: of the same bytes the same comes, whatever the cuts, in TypeScript and in WebAssembly, and
 * however often whoever is told asks for a pause.
 */
import fc from 'fast-check';
import { makeFastPath } from '../../../src/fast-path.ts';
import { FrameDecoder, type FrameSink } from '../../../src/rfc6455/frame-decoder.ts';
import { HEADROOM } from '../../../src/slab-pool.ts';
import { clientFrame, concat, hexOf, latin1 } from '../../support/bytes.ts';
import { someFrames } from '../../support/random-frames.ts';
import { Random } from '../../support/randomness.ts';
import { copyOf, cutsOf, faultOf, insist, insistSame, randomOf, type Target } from '../target.ts';

/** Around what §7.4 lets a Close say. */
const CODES = [0, 999, 1000, 1003, 1004, 1005, 1006, 1007, 1014, 1015, 1016, 2999, 3000, 4999, 5000, 65_535];

const CLOSE_FRAME = fc
  .tuple(fc.constantFrom(...CODES), fc.constantFrom('', 'bye', 'é', '\xff', '\xe2\x82'))
  .map(([code, reason]) =>
    clientFrame({ opcode: 8, payload: concat(Uint8Array.of(code >> 8, code & 255), latin1(reason)) }),
  );

/** Frames, in order or not, of which some are long; now and then a Close behind them. */
export const FRAMES = fc
  .tuple(someOrder(), fc.oneof({ weight: 3, arbitrary: fc.constant(new Uint8Array(0)) }, CLOSE_FRAME))
  .map((parts) => concat(...parts));

function someOrder() {
  return fc
    .record({
      seed: fc.nat(),
      count: fc.integer({ min: 1, max: 12 }),
      wrong: fc.constantFrom(0, 0, 0.1, 0.5),
      badText: fc.constantFrom(0, 0, 0.1),
      long: fc.nat(11).map((n) => n === 0),
    })
    .map(({ seed, ...options }) => new Uint8Array(someFrames(new Random(seed), options)));
}

/** Headers that are on the edge of something, their keys zero. */
export const HEADERS = [
  '\x81\x80\0\0\0\0',
  '\x01\x81\0\0\0\0a',
  '\x80\x81\0\0\0\0b',
  '\x82\xfe\0\x7e\0\0\0\0',
  '\x82\xfe\0\x05',
  '\x82\xff\0\0\0\0\0\x01\0\0',
  '\x82\xff\x80\0\0\0\0\0\0\0',
  '\x82\xff\0\x20\0\0\0\0\0\0',
  '\x89\x80\0\0\0\0',
  '\x89\x84abcdefgh',
  '\x8a\x80\0\0\0\0',
  '\x88\x80\0\0\0\0',
  '\x88\x82\0\0\0\0\x03\xe8',
  '\x88\x81\0\0\0\0\x03',
  '\xc1\x80\0\0\0\0',
  '\x01\x82\0\0\0\0\xe2\x82',
];

/** What a decoder tells, in a form that does not show where pieces were cut. */
class Listener implements FrameSink {
  readonly decoder = new FrameDecoder(this);
  /** What came, in order: `control …`, and with the bounds of messages `begin …` and `end`; each at the byte where it stands. */
  readonly told: string[] = [];
  readonly #bytes: Uint8Array[] = [];
  #length = 0;
  #open = false;
  readonly #bounds: boolean;
  readonly #pauses: Random | undefined;

  constructor(bounds: boolean, pauses?: Random) {
    this.#bounds = bounds;
    this.#pauses = pauses;
  }

  get payload(): Buffer {
    return Buffer.concat(this.#bytes);
  }

  onPiece(
    opcode: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    ends: boolean,
    ascii: boolean,
  ): void {
    // A piece may be empty: whether there is one depends on the cut.
    if (!this.#open && (end > start || ends)) this.#tell(`begin ${opcode}`);
    this.#open = !ends && (this.#open || end > start);
    this.#take(bytes, start, end);
    if (ascii)
      insist(
        bytes.subarray(start, end).every((byte) => byte < 0x80),
        'bytes are called ASCII that are not',
      );
    if (ends) this.#tell('end');
    this.#maybePause();
  }

  onRun(bytes: Uint8Array, start: number, end: number): void {
    insist(!this.#bounds, 'a run though each piece was asked for');
    this.#take(bytes, start, end);
    this.#maybePause();
  }

  onControl(opcode: number, payload: Uint8Array): void {
    insist(payload.length <= 125, `a control frame of ${payload.length} bytes`);
    this.told.push(`${this.#length} control ${opcode} ${hexOf(payload)}`);
    this.#maybePause();
  }

  #tell(what: string): void {
    if (this.#bounds) this.told.push(`${this.#length} ${what}`);
  }

  #take(bytes: Uint8Array, start: number, end: number): void {
    insist(start <= end && end <= bytes.length, `a piece from ${start} to ${end} of ${bytes.length} bytes`);
    this.#bytes.push(copyOf(bytes, start, end));
    this.#length += end - start;
  }

  #maybePause(): void {
    if (this.#pauses?.int(0, 3) === 0) this.decoder.suspend();
  }
}

/** Low, so that it is met with. */
const MAX_MESSAGE = 400;

const fast = makeFastPath();

/** @param each as for a message peer: the bounds of messages count, and they have a limit */
function decode(pieces: readonly Uint8Array[], kernel: boolean, each: boolean, pauses?: Random): unknown {
  const listener = new Listener(each, pauses);
  const { decoder } = listener;
  if (each) {
    decoder.giveEach();
    decoder.limitMessages(MAX_MESSAGE);
  }
  const fault = faultOf(() => {
    for (const piece of pieces) {
      if (kernel) decodeInSlabs(decoder, piece);
      else decodeOnHeap(decoder, piece);
    }
  });
  return { told: listener.told, payload: listener.payload, fault: fault?.code, details: fault?.details };
}

function decodeOnHeap(decoder: FrameDecoder, piece: Uint8Array): void {
  const chunk = piece.slice();
  for (let at = 0; at < chunk.length; )
    at += insistTaken(decoder.decode(chunk.subarray(at)), chunk.length - at);
}

function decodeInSlabs(decoder: FrameDecoder, piece: Uint8Array): void {
  const { slabs, kernel } = fast;
  const { readSlab } = slabs;
  for (let from = 0; from < piece.length; from += readSlab.length) {
    const length = Math.min(readSlab.length, piece.length - from);
    const target = slabs.take()!;
    target.bytes.fill(JUNK, 0, HEADROOM + length + 1);
    try {
      readSlab.set(piece.subarray(from, from + length));
      const chunk = readSlab.subarray(0, length);
      for (let at = 0; at < length; )
        at += insistTaken(decoder.decodeInto(chunk.subarray(at), target, kernel), length - at);
    } finally {
      slabs.release(target);
      readSlab.fill(JUNK, 0, length);
    }
  }
}

/** What would be noticed if it were read. */
const JUNK = 0xee;

function insistTaken(taken: number, there: number): number {
  insist(taken > 0 && taken <= there, `${taken} of ${there} bytes were taken`);
  return taken;
}

export const frames: Target = {
  name: 'frames',
  about: 'frame decoder and kernel: the same events for any cuts and pauses',
  inputs: FRAMES,
  words: HEADERS,
  run(input) {
    const random = randomOf(input);
    for (const each of [false, true]) {
      const expected = decode([input], false, each);
      for (const pieces of cutsOf(input, random)) {
        for (const kernel of [false, true]) {
          const way = `${kernel ? 'kernel' : 'TypeScript'}, ${each ? 'each message' : 'runs'}, ${pieces.length} pieces`;
          insistSame(decode(pieces, kernel, each), expected, way);
          insistSame(decode(pieces, kernel, each, random), expected, `${way}, with pauses`);
        }
      }
    }
    insist(fast.slabs.outstanding === 0, `${fast.slabs.outstanding} slabs were not given back`);
  },
};
