/** RFC 6455 §5.3 as it is written down there: what every quicker way of unmasking is held to. */

/** @param key as a number whose lowest byte is its first, the one for `bytes[start]` */
export function naiveUnmask(bytes: Uint8Array, start: number, end: number, key: number): void {
  for (let i = 0; i < end - start; i += 1)
    bytes[start + i] = bytes[start + i]! ^ ((key >>> (8 * (i % 4))) & 0xff);
}
