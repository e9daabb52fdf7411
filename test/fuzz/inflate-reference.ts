/**
 * What the messages of one client inflate to (RFC 7692 §7.2.2), found out by node:zlib's `inflateRawSync` alone: each time
 * anew from where the stream last began, so that nothing but the bytes counts.
 */
import { constants, inflateRawSync } from 'node:zlib';
import { concat } from '../support/bytes.ts';
import { TAIL } from '../support/deflated.ts';

const WINDOW = 32_768;
const NOTHING = new Uint8Array(0);

export class ReferenceInflate {
  readonly #takeover: boolean;
  readonly #longest: number;
  /** Input since the stream began, and how much has come of it. */
  #input: Uint8Array = NOTHING;
  #given = 0;
  /** The window that it began with. */
  #dictionary: Uint8Array = NOTHING;
  #output: Uint8Array = NOTHING;

  /** @param longest most bytes that anything here inflates to; beyond it zlib throws */
  constructor(takeover: boolean, longest: number) {
    this.#takeover = takeover;
    this.#longest = longest;
  }

  /** Throws for what is not DEFLATE, or ends within a block. */
  message(bytes: Uint8Array): Uint8Array {
    if (!this.#takeover) this.#begin(NOTHING);
    const before = this.#output.length;
    // §7.2.3.6: an empty message has a byte.
    if (bytes.length === 0) return NOTHING;
    this.#feed(bytes);
    const length = this.#output.length;
    this.#feedTail();
    if (this.#output.length !== length) throw new Error('the message ends within a block');
    return this.#output.subarray(before);
  }

  #feed(bytes: Uint8Array): void {
    for (let rest = bytes; rest.length > 0; ) rest = this.#take(rest);
  }

  /** A final block at the very end of a message stands in for the tail. */
  #feedTail(): void {
    const rest = this.#take(TAIL);
    if (rest.length < TAIL.length) this.#feed(rest);
  }

  /** Takes bytes up to the end of a final block, if there is one, and returns what is left. */
  #take(bytes: Uint8Array): Uint8Array {
    const input = concat(this.#input, bytes);
    const { buffer, engine } = inflateRawSync(input, {
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: this.#longest,
      info: true,
      ...(this.#dictionary.length === 0 ? {} : { dictionary: this.#dictionary }),
    }) as unknown as { readonly buffer: Buffer; readonly engine: { readonly bytesWritten: number } };
    this.#output = concat(this.#output, buffer.subarray(this.#given));
    this.#given = buffer.length;
    this.#input = input;
    const rest = input.subarray(engine.bytesWritten);
    if (rest.length > 0) this.#begin(this.#output.slice(-WINDOW));
    return rest;
  }

  #begin(dictionary: Uint8Array): void {
    this.#input = NOTHING;
    this.#given = 0;
    this.#dictionary = dictionary;
    if (dictionary.length === 0) this.#output = NOTHING;
  }
}
