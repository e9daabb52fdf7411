/**
 * What a fuzzer is made of: a target turns any bytes into something to try and judges what comes of it.
 *
 * What a target does follows from its input alone, its cuts and choices too, so that the input is all that it takes to
 * see a finding again. Whatever it throws is a finding: what the code under test threw and must not have, or `insist`.
 */
import { inspect, isDeepStrictEqual } from 'node:util';
import type { Arbitrary } from 'fast-check';
import { Fault, type FaultCode } from '../../src/errors.ts';
import { cutAt } from '../support/cuts.ts';
import { Random } from '../support/randomness.ts';

export interface Target {
  readonly name: string;
  /** What is held against what, in a line. */
  readonly about: string;
  /** Inputs that get past the first checks, and mostly break something later. */
  readonly inputs: Arbitrary<Uint8Array>;
  /** What mutations put into an input, as Latin-1: what the code under test looks for. */
  readonly words: readonly string[];
  run(input: Uint8Array): void | Promise<void>;
}

export function insist(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

/** That two values have the same structure. */
export function insistSame(actual: unknown, expected: unknown, what: string): void {
  if (isDeepStrictEqual(actual, expected)) return;
  const show = (value: unknown) => inspect(value, { depth: 6, breakLength: 100, maxStringLength: 600 });
  throw new Error(`${what}\n  ${show(actual)}\nis not\n  ${show(expected)}`);
}

/** The Fault that `act` throws, if it does. What else it throws is a finding, and so is a Fault that nobody foresaw. */
export function faultOf(act: () => void): Fault | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    insist(error.code !== 'internal', `an internal Fault: ${inspect(error.details)}`);
    return error;
  }
}

/** As `faultOf`, of which only these may be thrown. */
export function codeOf(allowed: readonly FaultCode[], act: () => void): FaultCode | undefined {
  const code = faultOf(act)?.code;
  insist(code === undefined || allowed.includes(code), `threw a Fault ${code}`);
  return code;
}

/** Choices that follow from an input (FNV-1a). */
export function randomOf(input: Uint8Array): Random {
  let hash = 0x811c9dc5;
  for (const byte of input) hash = Math.imul(hash ^ byte, 0x01000193);
  return new Random(hash);
}

/** Up to this length an input is also cut behind each byte. */
const SHORT = 500;

/** An input in copied pieces: whole, byte by byte, and at random places. */
export function* cutsOf(input: Uint8Array, random = randomOf(input)): Generator<Uint8Array[]> {
  yield [input.slice()];
  const { length } = input;
  if (length <= SHORT)
    yield cutAt(
      input,
      Array.from({ length: Math.max(0, length - 1) }, (_, at) => at + 1),
    );
  for (const count of [1, random.int(2, 5), random.int(2, 20)]) {
    const places = Array.from({ length: count }, () => random.int(0, length));
    yield cutAt(
      input,
      places.sort((a, b) => a - b),
    );
  }
}

/** An input as text whose characters are its bytes. */
export function latin1Of(input: Uint8Array): string {
  return Buffer.from(input.buffer, input.byteOffset, input.length).toString('latin1');
}

/** A copy of `bytes[start, end)`; "slice" of a Buffer would be none. */
export function copyOf(bytes: Uint8Array, start = 0, end = bytes.length): Uint8Array {
  return new Uint8Array(bytes.subarray(start, end));
}

/** Whether a text can stand in a line: no control characters (C0, DEL, C1), and none of Unicode's line ends. */
export function isOneLine(text: string): boolean {
  return !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(text);
}
