/**
 * Runs a framing in the daemon's own segmenter, under every cut that a network makes, and compares what comes out.
 *
 * Messages are `[type, bytes]`, their bytes as Latin-1 text. Each read lies in the middle of memory full of bytes that
 * would end a message of most framings, as a read of Node's may lie in its pool: looking past it shows.
 */
import { expect } from 'vitest';
import { asFault } from '../../src/errors.ts';
import type { Framing, FramingBounds } from '../../src/plugins/api.ts';
import { Segmenter } from '../../src/segmenter.ts';
import { eachCut } from './cuts.ts';

export type Message = readonly [type: 'text' | 'binary', bytes: string];
export type Make = (bounds: FramingBounds) => Framing;

export interface Outcome {
  readonly messages: readonly Message[];
  /** The code of the Fault that ended it; `end`: it went on to the end of the stream. */
  readonly over: string;
}

interface Circumstances {
  readonly maximum?: number;
  /** The code of the Fault that is expected to end it. */
  readonly fault?: string;
}

const NO_LIMIT = 1_000_000;

export function bytesOf(stream: string): Uint8Array {
  return Uint8Array.from(Buffer.from(stream, 'latin1'));
}

/** What becomes of a stream that comes in these pieces and then ends. */
export function frame(make: Make, pieces: readonly Uint8Array[], maximum = NO_LIMIT): Outcome {
  const messages: Message[] = [];
  const sink = {
    onSegment(text: boolean, bytes: Uint8Array, start: number, end: number): void {
      messages.push([text ? 'text' : 'binary', Buffer.from(bytes.subarray(start, end)).toString('latin1')]);
    },
  };
  try {
    const segmenter = new Segmenter(make({ maximum }), sink, maximum);
    for (const piece of pieces) segmenter.push(amidJunk(piece));
    segmenter.end();
  } catch (error) {
    return { messages, over: asFault(error).code };
  }
  return { messages, over: 'end' };
}

/** The stream becomes these messages, however it is cut. */
export function expectFramed(
  make: Make,
  stream: string,
  expected: readonly Message[],
  { maximum = NO_LIMIT, fault = 'end' }: Circumstances = {},
): void {
  eachCut(bytesOf(stream), (pieces) => {
    expect(frame(make, pieces, maximum)).toEqual({ messages: expected, over: fault });
  });
}

/**
 * Asks a framing byte by byte, as the segmenter would, while all that it has said to have scanned is written over:
 * only the last `kept` bytes of that are still there. What is in the memory behind the end is written over, too.
 *
 * A framing whose answers stay the same does not begin from the start again, and so takes time in proportion to its
 * stream.
 *
 * @returns the lengths of the messages that it found
 */
export function forgetfully(framing: Framing, stream: string, kept: number, over: string): number[] {
  const bytes = bytesOf(stream);
  const junk = bytesOf(over);
  const memory = Buffer.alloc(bytes.length + 2 * junk.length);
  const lengths: number[] = [];
  let start = 0;
  let scanned = 0;
  for (let end = 1; end <= bytes.length; end += 1) {
    memory.set(bytes.subarray(Math.max(start, end - 1 - kept), end), Math.max(start, end - 1 - kept));
    memory.fill(junk, end);
    while (start < end) {
      const length = framing.next(memory, start, end, scanned, false);
      if (length === 0) break;
      lengths.push(length);
      start += length;
      scanned = 0;
    }
    if (start === end) continue;
    scanned = end - start;
    if (scanned > kept) memory.fill(junk, start, end - kept);
  }
  return lengths;
}

/** A copy with other bytes before and behind it in its memory. */
function amidJunk(piece: Uint8Array): Buffer {
  const memory = Buffer.alloc(piece.length + 16, '\r\n\r"}');
  memory.set(piece, 5);
  return memory.subarray(5, 5 + piece.length);
}
