/**
 * Loads kernel.wat: the fast run over the ordinary frames of a chunk, in WebAssembly with SIMD.
 *
 * There is none where WebAssembly or its SIMD is missing (`--jitless`), its memory cannot be had (a tight `ulimit -v`) or
 * the machine's words begin with their highest byte; then frame-decoder.ts does it all. The memory never grows, so its
 * buffer is never detached: what lies in it may be written to sockets.
 */
import { KERNEL } from './kernel-bytes.ts';

/** WebAssembly's words begin with their lowest byte. The record is read as words of the machine's own. */
const SAME_WORDS = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/** Of a page of WebAssembly memory, in bytes. */
const PAGE = 64 * 1024;

/** The places of the record at the start of the memory, in words; kernel.wat says what they are. */
export const LEFT = 0;
export const KEY = 1;
export const MESSAGE = 2;
export const FIN = 3;
export const EACH = 4;
export const OUT = 5;
export const PIECE = 6;
export const LOOK = 7;
export const OPCODE = 8;
export const ENDS = 9;
export const HEADERS = 10;
export const LENGTH = 11;
export const ASCII = 12;
const RECORD_WORDS = 16;

/** Where the memory is free, in bytes. */
export const FLOOR = 4 * RECORD_WORDS;

export interface Kernel {
  /** The whole memory. */
  readonly buffer: ArrayBuffer;
  /** Its record: what `run` goes on with, and what came of it. */
  readonly record: Uint32Array;
  /**
   * Decodes `[at, end)` into `[out, …)`, both addresses in the memory, apart from each other.
   *
   * @returns up to where it came: where a header begins that is not ordinary or not whole, or behind a piece that
   *     somebody has to look at, or `end`
   */
  readonly run: (at: number, end: number, out: number) => number;
  /**
   * Frames the short messages of `[at, end)` that end with a delimiter, into `[out, limit)`; all of it addresses in the
   * memory, apart from each other. OUT says where the last frame ends.
   *
   * @param last the delimiter's last byte
   * @param before the one in front of it; -1: there is none
   * @param first what each frame begins with
   * @returns where the first message begins that is not done: it is long, its end is near `end` or behind it, or there is
   *     no room for `MAX_SHORT_FRAME` bytes
   */
  readonly frame: (
    at: number,
    end: number,
    out: number,
    limit: number,
    last: number,
    before: number,
    first: number,
  ) => number;
}

/** What `frame` wants to have room for: a header of two bytes, 125 of payload, and what it writes beyond that. */
export const MAX_SHORT_FRAME = 130;

/** What of WebAssembly is used here: Node's types do not have it. */
interface WebAssemblyLike {
  readonly Memory: new (descriptor: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: object,
  ) => { readonly exports: Pick<Kernel, 'run' | 'frame'> };
}

/**
 * The kernel with a memory of its own.
 *
 * @param bytes of memory, at least; rounded up to whole pages
 * @throws Error that says why it cannot be had here
 */
export function loadKernel(bytes: number): Kernel {
  const { WebAssembly } = globalThis as { WebAssembly?: WebAssemblyLike };
  if (WebAssembly === undefined) throw new Error('this Node runs without WebAssembly (--jitless)');
  if (!SAME_WORDS) throw new Error('the words of this machine begin with their highest byte');
  const pages = Math.ceil(bytes / PAGE);
  const memory = orExplain(
    'no address space for its memory (ulimit -v)',
    () => new WebAssembly.Memory({ initial: pages, maximum: pages }),
  );
  const { run, frame } = orExplain('no WebAssembly SIMD on this machine', () => {
    const module = new WebAssembly.Module(Buffer.from(KERNEL, 'base64'));
    return new WebAssembly.Instance(module, { slabs: { memory } }).exports;
  });
  return { buffer: memory.buffer, record: new Uint32Array(memory.buffer, 0, RECORD_WORDS), run, frame };
}

/** Puts what a failure most likely means before what WebAssembly says of it. */
function orExplain<T>(meaning: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new Error(`${meaning}: ${(error as Error).message}`);
  }
}
