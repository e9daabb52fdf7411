/** Framings written for tests, each in a handful of lines, and a sink that keeps what it was given by reference. */
import type { Framing, MessageType } from '../../src/plugins/api.ts';
import type { SegmentSink } from '../../src/segmenter.ts';

/** One byte of length, then so many bytes: the same messages however the stream is cut. */
export function lengthPrefixed(type: MessageType = 'binary'): Framing {
  return {
    type,
    next: (buffer, start, end) => {
      const length = buffer[start]! + 1;
      return length <= end - start ? length : 0;
    },
  };
}

/** Through the next line feed. Counts the bytes that it looks at, and begins behind those that it has seen. */
export function lines(type: MessageType = 'auto'): Framing & { looked: number } {
  return {
    type,
    looked: 0,
    next(buffer, start, end, scanned) {
      for (let at = start + scanned; at < end; at += 1) {
        this.looked += 1;
        if (buffer[at] === 0x0a) return at + 1 - start;
      }
      return 0;
    },
  };
}

/** Each byte is a message. */
export function singleBytes(): Framing {
  return { type: 'binary', next: () => 1 };
}

/** Answers what it is told to, whatever it is asked. */
export function answering(answer: unknown): Framing {
  return { type: 'binary', next: () => answer as number };
}

/** A message as it was at the moment when it was sent, beside the memory that it was sent from. */
interface Kept {
  readonly text: boolean;
  readonly atFirst: Buffer;
  readonly memory: Uint8Array;
}

export class KeepingSink implements SegmentSink {
  readonly kept: Kept[] = [];

  onSegment(text: boolean, bytes: Uint8Array, start: number, end: number): void {
    const memory = bytes.subarray(start, end);
    this.kept.push({ text, atFirst: Buffer.from(memory), memory });
  }

  /** The messages as text, after the daemon would have sent them: read from the memory itself. */
  get messages(): string[] {
    return this.kept.map(({ memory }) => Buffer.from(memory).toString('latin1'));
  }

  get types(): string[] {
    return this.kept.map(({ text }) => (text ? 'text' : 'binary'));
  }

  /** Messages that were written to after they were sent. */
  get modified(): number {
    return this.kept.filter(({ atFirst, memory }) => !atFirst.equals(memory)).length;
  }
}
