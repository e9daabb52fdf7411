/**
 * Validates UTF-8 as it streams by, across any cuts, and fails at the first byte that cannot be right (RFC 6455 §8.1,
 * RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF).
 *
 * Strategy: long runs go to Node's `isUtf8`, which checks many bytes at once but only whole characters. What it cannot
 * judge, the rest of a character that an earlier piece began and the beginning of one that this piece leaves open, goes
 * byte by byte through the rules of RFC 3629 §4, which know after each byte which next ones are allowed.
 */
import { isUtf8 } from 'node:buffer';

/** Below this length a byte loop is quicker than the view that `isUtf8` needs. */
const NATIVE_FROM = 64;

export class Utf8Validator {
  /** Continuation bytes that the character under way still needs. */
  #missing = 0;
  /** The allowed range of the next continuation byte; only the first one of a character may be narrower. */
  #low = 0x80;
  #high = 0xbf;

  /** Whether what was taken so far ends with a whole character. */
  get complete(): boolean {
    return this.#missing === 0;
  }

  /** Forgets an unfinished character: the next byte begins a new text. */
  reset(): void {
    this.#missing = 0;
    this.#low = 0x80;
    this.#high = 0xbf;
  }

  /** Takes `bytes[start, end)`. False: the text cannot become valid any more. */
  push(bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start < NATIVE_FROM) return this.#bytewise(bytes, start, end);
    let from = start;
    while (this.#missing > 0) {
      if (!this.#step(bytes[from]!)) return false;
      from += 1;
    }
    const to = lastCharacter(bytes, from, end);
    if (!isUtf8(bytes.subarray(from, to))) return false;
    return this.#bytewise(bytes, to, end);
  }

  #bytewise(bytes: Uint8Array, start: number, end: number): boolean {
    for (let at = start; at < end; at += 1) {
      const byte = bytes[at]!;
      if (byte < 0x80 && this.#missing === 0) continue;
      if (!this.#step(byte)) return false;
    }
    return true;
  }

  /** One byte through the table of RFC 3629 §4. */
  #step(byte: number): boolean {
    if (this.#missing > 0) {
      if (byte < this.#low || byte > this.#high) return false;
      this.#missing -= 1;
      this.#low = 0x80;
      this.#high = 0xbf;
      return true;
    }
    if (byte < 0x80) return true;
    if (byte >= 0xc2 && byte <= 0xdf) {
      this.#missing = 1;
    } else if (byte >= 0xe0 && byte <= 0xef) {
      this.#missing = 2;
      if (byte === 0xe0) this.#low = 0xa0; // below: overlong
      if (byte === 0xed) this.#high = 0x9f; // above: surrogates
    } else if (byte >= 0xf0 && byte <= 0xf4) {
      this.#missing = 3;
      if (byte === 0xf0) this.#low = 0x90; // below: overlong
      if (byte === 0xf4) this.#high = 0x8f; // above: beyond U+10FFFF
    } else {
      return false; // a continuation byte without a lead, C0 and C1 (overlong), F5 to FF
    }
    return true;
  }
}

/** Where the last character of `bytes[start, end)` begins that may go on behind `end`; `end` itself if none can. */
export function lastCharacter(bytes: Uint8Array, start: number, end: number): number {
  const first = Math.max(start, end - 3);
  for (let at = end - 1; at >= first; at -= 1) {
    const byte = bytes[at]!;
    if (byte >= 0xc0) return at;
    if (byte < 0x80) return end;
  }
  return end;
}
