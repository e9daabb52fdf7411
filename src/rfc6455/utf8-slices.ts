/**
 * Judges which slices of the same memory are UTF-8, one slice behind the other, at the price of one native check for all
 * of them: where the whole is UTF-8, a slice of it is UTF-8 if and only if it begins and ends between two characters,
 * which the bytes at its two ends tell (RFC 3629 §3: no byte that begins a character goes on with one).
 *
 * A whole that is not UTF-8 tells nothing about its slices: then each is checked by itself.
 */
import { isUtf8 } from 'node:buffer';
import { lastCharacter } from './utf8.ts';

export class Utf8Slices {
  /** Whether the slices to come have been checked together. */
  #checked = false;
  /** From the first of them up to here all is UTF-8; 0: not known. */
  #soundTo = 0;

  /** Other memory comes, or what it holds has changed. */
  reset(): void {
    this.#checked = false;
    this.#soundTo = 0;
  }

  /** From `start` to here all is UTF-8, as far as can be told at once; `start` or less: it cannot. */
  soundTo(bytes: Uint8Array, start: number, limit: number): number {
    if (!this.#checked) this.#check(bytes, start, limit);
    return this.#soundTo;
  }

  /**
   * Whether `bytes[start, end)` is UTF-8. It begins at or behind the end of the last slice.
   *
   * @param limit up to where there may be slices: one that ends before it is taken for the first of many
   */
  isUtf8(bytes: Uint8Array, start: number, end: number, limit: number): boolean {
    if (!this.#checked && end < limit) this.#check(bytes, start, limit);
    if (end > this.#soundTo || start === end) return isUtf8(view(bytes, start, end));
    return !goesOn(bytes[start]!) && (end === this.#soundTo || !goesOn(bytes[end]!));
  }

  #check(bytes: Uint8Array, start: number, limit: number): void {
    this.#checked = true;
    // A character that the limit cuts in two is left out.
    const to = lastCharacter(bytes, start, limit);
    if (isUtf8(view(bytes, start, to))) this.#soundTo = to;
  }
}

/** Whether a byte goes on with a character that began before it. */
function goesOn(byte: number): boolean {
  return byte >= 0x80 && byte <= 0xbf;
}

function view(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
}
