/**
 * The search: tries inputs on a target until something is found or the time is over.
 *
 * One half is generated anew, the other made by mutation of inputs that were kept: those that have led to new code, or,
 * where nobody says what is new, some of the generated ones. All choices follow from the seed; but for how long it goes on,
 * and, with coverage, for what V8 sees of code that it has optimised meanwhile.
 */
import fc from 'fast-check';
import { Random } from '../support/randomness.ts';
import type { Coverage } from './coverage.ts';
import { LONGEST, mutate } from './mutation.ts';
import { shrink } from './shrink.ts';
import type { Target } from './target.ts';

export interface Finding {
  /** As small as it could be made. */
  readonly input: Uint8Array;
  /** What was thrown for it. */
  readonly error: unknown;
}

export interface Result {
  readonly executions: number;
  /** How many inputs others were made from. */
  readonly kept: number;
  readonly finding: Finding | undefined;
}

export interface Options {
  readonly seed: number;
  /** Asked before each batch. */
  readonly goOn: (executions: number) => boolean;
  /** Inputs to begin with. */
  readonly corpus?: readonly Uint8Array[];
  readonly coverage?: Pick<Coverage, 'grew'> | undefined;
  /** Told of each input before it is tried. */
  readonly onInput?: (input: Uint8Array) => void;
}

/** Inputs between two looks at what was reached: a look takes about 1 ms, an input 10 µs to 1 ms. */
const BATCH = 50;
const GENERATED = BATCH / 2;
const MOST_KEPT = 2_000;

export async function fuzz(target: Target, options: Options): Promise<Result> {
  const { seed, goOn, coverage, onInput } = options;
  const random = new Random(seed);
  const kept: Uint8Array[] = [...(options.corpus ?? [])];
  let executions = 0;

  const attempt = async (input: Uint8Array): Promise<Finding | undefined> => {
    executions += 1;
    onInput?.(input);
    try {
      // A copy: what the target does to it must not show in what is reported.
      await target.run(input.slice());
      return undefined;
    } catch (error) {
      return { input, error };
    }
  };

  const keep = (input: Uint8Array): void => {
    if (kept.length < MOST_KEPT) kept.push(input);
    else kept[random.int(0, MOST_KEPT - 1)] = input;
  };

  /** Tries those inputs again, of which some have led to new code, to see which. */
  const keepNew = async (batch: readonly Uint8Array[], coverage: Pick<Coverage, 'grew'>): Promise<void> => {
    for (const input of batch) {
      await attempt(input);
      if (coverage.grew()) keep(input);
    }
  };

  while (goOn(executions)) {
    const batch = fc.sample(target.inputs, { seed: random.int(0, 0x7fffffff), numRuns: GENERATED });
    const sources = kept.length === 0 ? batch.slice() : kept;
    while (batch.length < BATCH)
      batch.push(mutate(random.pick(sources), random.pick(sources), target.words, random));
    for (const [index, whole] of batch.entries()) {
      const input = whole.length > LONGEST ? whole.slice(0, LONGEST) : whole;
      batch[index] = input;
      const found = await attempt(input);
      if (found === undefined) continue;
      const finding = await shrink(found, attempt);
      return { executions, kept: kept.length, finding };
    }
    if (coverage === undefined) keep(batch[0]!);
    else if (coverage.grew(false)) await keepNew(batch, coverage);
  }
  return { executions, kept: kept.length, finding: undefined };
}
