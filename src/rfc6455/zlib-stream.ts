/**
 * zlib's streams as Node has them, and the short way into them.
 *
 * A stream of Node's hands each write to another thread and waits for the answer. For a message of 100 bytes that costs
 * about 90 µs of CPU, while deflating it takes 9 µs and inflating it less than 1 µs (measured on Node 20 to 26). So what
 * is small is done here and now, by the call that Node's own `…Sync` functions are made of. That call is not public:
 * whether it is there and right is tried once, and where it is not, everything goes the public way.
 */
import { constants, createDeflateRaw, createInflateRaw, type DeflateRaw, type InflateRaw } from 'node:zlib';

export type ZlibStream = DeflateRaw | InflateRaw;

/** Largest piece of output that comes at once, in bytes. */
export const OUTPUT_BYTES = 64 * 1024;

/** What is ours to use of a stream beside its public side. */
interface Internals {
  readonly _handle: {
    writeSync(
      flush: number,
      input: Uint8Array,
      at: number,
      available: number,
      output: Uint8Array,
      outputAt: number,
      outputAvailable: number,
    ): void;
  } | null;
  /** How much output is left free, and how much input is left over, behind each call. */
  readonly _writeState: Uint32Array;
}

/** What a call has left: free bytes of output, and bytes of input. */
export interface Left {
  output: number;
  input: number;
}

/**
 * Runs zlib on `input[at, end)` in this thread, with Z_SYNC_FLUSH, until input or output is used up. What is left of
 * both is put into `left`. Throws zlib's own error for corrupt input; the stream is of no use then.
 */
export function writeSync(
  stream: ZlibStream,
  input: Uint8Array,
  at: number,
  end: number,
  output: Uint8Array,
  left: Left,
): void {
  const { _handle: handle, _writeState: state } = stream as unknown as Internals;
  // Node takes the handle away from a stream that is closed; a call on it would end the process.
  if (handle === null) throw new Error('zlib stream used after its end');
  handle.writeSync(constants.Z_SYNC_FLUSH, input, at, end - at, output, 0, output.length);
  if (stream.errored) throw stream.errored;
  left.output = state[0]!;
  left.input = state[1]!;
}

/** Whether `writeSync` works on this version of Node: tried at the first call, on a known message. */
export function hasWriteSync(): boolean {
  worksSync ??= tryWriteSync();
  return worksSync;
}

let worksSync: boolean | undefined;

function tryWriteSync(): boolean {
  const left: Left = { output: 0, input: 0 };
  const deflate = createDeflateRaw();
  const inflate = createInflateRaw({ chunkSize: LEAST_CHUNK });
  const run = (stream: ZlibStream, input: Uint8Array): Buffer => {
    const output = Buffer.alloc(64);
    writeSync(stream, input, 0, input.length, output, left);
    return output.subarray(0, output.length - left.output);
  };
  try {
    // RFC 7692 §7.2.3.1, here with the tail that is cut off on the wire.
    const deflated = run(deflate, Buffer.from('Hello'));
    return (
      deflated.toString('hex') === 'f248cdc9c907000000ffff' && run(inflate, deflated).toString() === 'Hello'
    );
  } catch {
    return false;
  } finally {
    deflate.close();
    inflate.close();
  }
}

/** Node's lower bound for the buffer that a stream keeps for its own output, in bytes. */
const LEAST_CHUNK = 64;

/** @param sync whether it will be written to by `writeSync`: it then needs no buffer of its own */
export function inflateRaw(windowBits: number, sync: boolean, dictionary?: Uint8Array): InflateRaw {
  const chunkSize = sync ? LEAST_CHUNK : OUTPUT_BYTES;
  return quiet(
    createInflateRaw(
      dictionary === undefined ? { windowBits, chunkSize } : { windowBits, chunkSize, dictionary },
    ),
  );
}

/**
 * Of 8 bits Node makes 9, which zlib starts at; its references reach back 262 bytes less than the window, so that a
 * window of 256 bytes holds them.
 *
 * zlib's own defaults are a window of 15 bits and memLevel 8. With a smaller window the rest may be smaller, too, but not
 * below 5: at 2 blocks get so short that random bytes take twice the time.
 */
export function deflateRaw(windowBits: number, level: number): DeflateRaw {
  const memLevel = Math.max(5, Math.min(8, windowBits - 7));
  return quiet(createDeflateRaw({ windowBits, level, memLevel }));
}

/** `writeSync` throws the error that the stream will also emit. */
function quiet<T extends ZlibStream>(stream: T): T {
  stream.on('error', () => {});
  return stream;
}

/** Streams without a context to keep, of which connections borrow one for a message. By the bits of their window. */
export class IdleStreams<T extends ZlibStream> {
  readonly #idle = new Map<number, T[]>();

  take(windowBits: number): T | undefined {
    return this.#idle.get(windowBits)?.pop();
  }

  /** Takes a stream back, its context forgotten; or closes it, if there are enough. */
  give(windowBits: number, stream: T): void {
    let idle = this.#idle.get(windowBits);
    if (idle === undefined) {
      idle = [];
      this.#idle.set(windowBits, idle);
    }
    if (idle.length >= MOST_IDLE) {
      stream.close();
      return;
    }
    stream.reset();
    idle.push(stream);
  }
}

/** Few are in use at a time: a borrowed one is mostly given back before the next is asked for. */
const MOST_IDLE = 4;
