/** Makes a finding smaller: leaves out pieces, large ones first, then makes bytes plain, as long as something is still found. */
import { concat } from '../support/bytes.ts';
import type { Finding } from './fuzzer.ts';

/** Tries enough for what a person can read; more would only take time. */
const MOST_TRIES = 3_000;

/** What most inputs are made of, and the plainest byte there is. */
const PLAIN = [0x61, 0x00];

export async function shrink(
  finding: Finding,
  attempt: (input: Uint8Array) => Promise<Finding | undefined>,
): Promise<Finding> {
  let smallest = finding;
  let tries = 0;
  const improves = async (input: Uint8Array): Promise<boolean> => {
    tries += 1;
    const found = await attempt(input);
    if (found !== undefined) smallest = found;
    return found !== undefined;
  };

  for (let size = finding.input.length; size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < smallest.input.length && tries < MOST_TRIES; ) {
      const { input } = smallest;
      if (!(await improves(concat(input.subarray(0, at), input.subarray(at + size))))) at += size;
    }
  }
  for (let at = 0; at < smallest.input.length; at += 1) {
    for (const plain of PLAIN) {
      if (smallest.input[at] === plain || tries >= MOST_TRIES) break;
      if (await improves(smallest.input.with(at, plain))) break;
    }
  }
  return smallest;
}
