/**
 * Unmasking (RFC 6455 §5.3), in place: the definition, and what is used where there is no kernel (kernel.wat).
 *
 * The key is a number, its first byte the lowest, and is handed in turned so that it begins with the run's first byte:
 * a payload arrives in pieces. It is applied a word at a time where that pays: making a typed-array view costs about
 * as much as a byte loop over some hundred bytes, so short runs go byte by byte.
 */

/** Shorter runs are quicker byte by byte than through a view of words (measured on Node 20: they meet at 100 to 200 bytes). */
const WORDS_FROM = 192;

// The key as it stands in memory, written as bytes and read as a word: right on either byte order.
const keyBytes = new Uint8Array(4);
const keyWord = new Int32Array(keyBytes.buffer);

/**
 * Applies the masking key to `bytes[start, end)`.
 *
 * @returns whether all of it is ASCII afterwards
 */
export function unmask(bytes: Uint8Array, start: number, end: number, key: number): boolean {
  let at = start;
  let seen = 0;
  if (end - start >= WORDS_FROM) {
    while (((bytes.byteOffset + at) & 3) !== 0) {
      seen |= bytes[at] = (bytes[at]! ^ key) & 0xff;
      key = turn(key, 1);
      at += 1;
    }
    const words = new Int32Array(bytes.buffer, bytes.byteOffset + at, (end - at) >> 2);
    seen |= unmaskWords(words, key);
    at += words.length << 2;
  }
  const k0 = key & 0xff;
  const k1 = (key >>> 8) & 0xff;
  const k2 = (key >>> 16) & 0xff;
  const k3 = key >>> 24;
  for (; at < end - 3; at += 4) {
    seen |= bytes[at] = bytes[at]! ^ k0;
    seen |= bytes[at + 1] = bytes[at + 1]! ^ k1;
    seen |= bytes[at + 2] = bytes[at + 2]! ^ k2;
    seen |= bytes[at + 3] = bytes[at + 3]! ^ k3;
  }
  for (; at < end; at += 1) {
    seen |= bytes[at] = (bytes[at]! ^ key) & 0xff;
    key = turn(key, 1);
  }
  return (seen & NOT_ASCII) === 0;
}

/** The key as it begins so many bytes further on. */
export function turn(key: number, bytes: number): number {
  const bits = (bytes & 3) << 3;
  return bits === 0 ? key : (key >>> bits) | (key << (32 - bits));
}

/** Applies the key to whole words, and returns all bits that the result has anywhere. */
function unmaskWords(words: Int32Array, key: number): number {
  for (let i = 0; i < 4; i += 1) keyBytes[i] = (key >>> (8 * i)) & 0xff;
  const word = keyWord[0]!;
  const count = words.length;
  let seen = 0;
  let i = 0;
  for (; i < count - 3; i += 4) {
    seen |= words[i] = words[i]! ^ word;
    seen |= words[i + 1] = words[i + 1]! ^ word;
    seen |= words[i + 2] = words[i + 2]! ^ word;
    seen |= words[i + 3] = words[i + 3]! ^ word;
  }
  for (; i < count; i += 1) seen |= words[i] = words[i]! ^ word;
  return seen;
}

/** Of four bytes at once. */
const NOT_ASCII = 0x8080_8080 | 0;
