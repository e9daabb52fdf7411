/** What run.ts and the thread that fuzzes know of each other: the work, the report, and the input under way. */

export interface Work {
  readonly name: string;
  readonly seed: number;
  /** How long it is to go on. */
  readonly milliseconds: number;
  readonly memory: SharedArrayBuffer;
}

export interface Report {
  readonly executions: number;
  readonly kept: number;
  /** Characters of source. */
  readonly reached: number;
  readonly finding?: { readonly input: string; readonly error: string };
}

/** A count of executions and the length of the input under way, then the input. */
const HEADER_BYTES = 8;
const COUNT = 0;
const LENGTH = 1;

export interface Watched {
  /** Executions so far. */
  readonly count: number;
  readonly input: Uint8Array;
  note(input: Uint8Array): void;
}

export function makeMemory(longest: number): SharedArrayBuffer {
  return new SharedArrayBuffer(HEADER_BYTES + longest);
}

export function watch(memory: SharedArrayBuffer): Watched {
  const header = new Uint32Array(memory, 0, 2);
  const bytes = new Uint8Array(memory, HEADER_BYTES);
  return {
    get count() {
      return Atomics.load(header, COUNT);
    },
    get input() {
      return bytes.slice(0, Atomics.load(header, LENGTH));
    },
    note(input) {
      bytes.set(input);
      Atomics.store(header, LENGTH, input.length);
      Atomics.add(header, COUNT, 1);
    },
  };
}

/** Anything thrown, for a person. */
export function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
