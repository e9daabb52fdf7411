/**
 * What the fuzzers have found, by target: tried on every `npm test`, and what each search begins with.
 *
 * `npm run fuzz -- --target NAME --input HEX` tries one by itself.
 */
export interface Vector {
  /** In hex. */
  readonly input: string;
  /** What was wrong. */
  readonly was: string;
}

export const VECTORS: Readonly<Record<string, readonly Vector[]>> = {};
