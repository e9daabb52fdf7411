/**
 * Messages deflated and inflated as RFC 7692 says, by nothing but the public calls of node:zlib: what the compression of
 * the project is held against. It knows no code of the project's.
 */
import { constants, deflateRawSync, inflateRawSync, type ZlibOptions } from 'node:zlib';
import { concat, hex } from './bytes.ts';
import type { Random } from './randomness.ts';

/** §7.2.1: what a sender cuts off. */
export const TAIL = hex('0000ffff');

/** The compressor of one direction. What it refers back to is given to zlib as a dictionary, which comes to the same. */
export class MessageDeflate {
  readonly #windowBits: number;
  readonly #takeover: boolean;
  #before: Uint8Array = new Uint8Array(0);

  constructor(windowBits = 15, takeover = true) {
    this.#windowBits = windowBits;
    this.#takeover = takeover;
  }

  message(bytes: Uint8Array, options: ZlibOptions = {}): Uint8Array {
    const deflated = this.#deflate(bytes, { ...options, finishFlush: constants.Z_SYNC_FLUSH });
    if (!this.#takeover) this.#before = new Uint8Array(0);
    // §7.2.3.6.
    return bytes.length === 0 ? hex('00') : deflated.subarray(0, deflated.length - TAIL.length);
  }

  /** §7.2.3.4: blocks of which the last is final; more of the message may follow. */
  final(bytes: Uint8Array): Uint8Array {
    return this.#deflate(bytes, {});
  }

  #deflate(bytes: Uint8Array, options: ZlibOptions): Uint8Array {
    const dictionary = this.#before.length === 0 ? {} : { dictionary: this.#before };
    const deflated = deflateRawSync(bytes, { ...options, ...dictionary, windowBits: this.#windowBits });
    this.#before = concat(this.#before, bytes).slice(-32_768);
    return deflated;
  }
}

/** A message alone, as a sender without context takeover makes it. */
export function deflated(bytes: Uint8Array, options: ZlibOptions = {}): Uint8Array {
  return new MessageDeflate().message(bytes, options);
}

/** What some messages of one sender say together. Throws for a distance beyond the window. */
export function inflateAll(messages: readonly Uint8Array[], windowBits = 15): Buffer {
  const stream = concat(...messages.flatMap((message) => [message, TAIL]));
  return inflateRawSync(stream, { windowBits, finishFlush: constants.Z_SYNC_FLUSH });
}

/** Bytes that shrink more or less: words, runs, what came before, and noise. */
export function someBytes(random: Random, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let at = 0;
  while (at < length) {
    const kind = random.int(0, 3);
    const end = Math.min(length, at + random.int(1, 300));
    if (kind === 0) bytes.fill(random.pick(['PRIVMSG #channel :', '{"id":', 'Ελλάδα ', 'ab']), at, end);
    else if (kind === 1) bytes.fill(random.int(0, 255), at, end);
    else if (kind === 2 && at > 0) bytes.copy(bytes, at, random.int(0, at - 1), end);
    else random.bytes(end - at).copy(bytes, at);
    at = end;
  }
  return bytes;
}

/** Blocks of every type: stored, with fixed codes, with codes of their own, with and without back-references. */
export function someStyle(random: Random): ZlibOptions {
  return {
    level: random.int(0, 9),
    memLevel: random.pick([1, 8, 9]),
    strategy: random.pick([
      constants.Z_DEFAULT_STRATEGY,
      constants.Z_FIXED,
      constants.Z_HUFFMAN_ONLY,
      constants.Z_RLE,
    ]),
  };
}
