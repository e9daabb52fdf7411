/**
 * One TCP connection as a test wants to see it: bytes to wait for, then the way it ended.
 *
 * Every wait ends with what was asked for or, at its deadline, with an error that shows what came instead. The other
 * side's FIN does not end ours, so a test can tell who closed first.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Long enough for a busy machine; only a failing test ever waits this long. */
export const DEADLINE = 8_000;

export type Ending = 'open' | 'FIN' | 'reset';

/** Bytes from hexadecimal digits, blanks anywhere: `hex('81 85 37fa213d')`. */
export function hex(digits: string): Buffer {
  const packed = digits.replace(/\s+/g, '');
  if (!/^([0-9a-f]{2})*$/i.test(packed)) throw new Error(`not hexadecimal: ${digits}`);
  return Buffer.from(packed, 'hex');
}

/** Bytes as a person can read them in a failure message. */
export function show(bytes: Buffer): string {
  const head = bytes.subarray(0, 64);
  const more = bytes.length > head.length ? ` … (${bytes.length} bytes)` : '';
  return `<${head.toString('hex')}>${more} ${JSON.stringify(head.toString('latin1'))}`;
}

export class ByteStream {
  readonly socket: Socket;
  #chunks: Buffer[] = [];
  #total = 0;
  #ending: Ending = 'open';
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#total += chunk.length;
      this.#wake?.();
    });
    socket.on('end', () => this.#finish('FIN'));
    socket.on('error', () => this.#finish('reset'));
    socket.on('close', () => this.#finish('reset'));
  }

  /** How the other side ended the connection, so far. */
  get ending(): Ending {
    return this.#ending;
  }

  #finish(ending: Ending): void {
    // After a FIN everything has been delivered; what the socket reports later is the end of our own half.
    if (this.#ending === 'open') this.#ending = ending;
    this.#wake?.();
  }

  #joined(): Buffer {
    const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    this.#chunks = this.#total > 0 ? [all] : [];
    return all;
  }

  async #until(ready: () => boolean, what: string, deadline: number): Promise<void> {
    const last = Date.now() + deadline;
    while (!ready()) {
      if (this.#ending !== 'open') {
        throw new Error(
          `expected ${what}, but the connection ended (${this.#ending}); left: ${show(this.#joined())}`,
        );
      }
      const left = last - Date.now();
      if (left <= 0)
        throw new Error(`expected ${what}, but after ${deadline} ms had: ${show(this.#joined())}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
    }
  }

  /** The next bytes, exactly that many. */
  async take(count: number, what = `${count} bytes`, deadline = DEADLINE): Promise<Buffer> {
    await this.#until(() => this.#total >= count, what, deadline);
    if (count === 0) return Buffer.alloc(0);
    const all = this.#joined();
    this.#total -= count;
    this.#chunks = this.#total > 0 ? [all.subarray(count)] : [];
    return all.subarray(0, count);
  }

  /** Everything through the next occurrence of `mark`. */
  async takeThrough(mark: string, what: string, deadline = DEADLINE): Promise<Buffer> {
    let at = -1;
    await this.#until(
      () => {
        at = this.#joined().indexOf(mark, 0, 'latin1');
        return at >= 0;
      },
      what,
      deadline,
    );
    return this.take(at + mark.length);
  }

  /** Waits for the other side's end, whichever kind, and returns all bytes before it. */
  async rest(deadline = DEADLINE): Promise<Buffer> {
    await this.#until(() => this.#ending !== 'open', 'the end of the connection', deadline);
    return this.take(this.#total);
  }

  /** Waits for an orderly end (FIN, no reset) with not a byte before it. */
  async expectEnd(deadline = DEADLINE): Promise<void> {
    const rest = await this.rest(deadline);
    if (rest.length > 0) throw new Error(`expected nothing before the end, got ${show(rest)}`);
    if (this.#ending !== 'FIN')
      throw new Error('expected an orderly end (FIN), but the connection was reset');
  }

  write(bytes: Uint8Array | string): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /**
   * Writes one piece after the other. The millisecond between them lets the reader see separate reads most of the
   * time; no test may depend on it, since TCP promises no such thing.
   */
  async writePieces(pieces: Iterable<Uint8Array>): Promise<void> {
    for (const piece of pieces) {
      if (this.socket.destroyed || this.socket.writableEnded) return;
      this.socket.write(piece);
      await sleep(1);
    }
  }

  /** Our FIN; the other direction stays open. */
  end(): void {
    this.socket.end();
  }

  /** An RST instead of a FIN. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  destroy(): void {
    this.socket.destroy();
  }
}

export async function connectTo(address: { host: string; port: number }): Promise<ByteStream> {
  const socket = connect({ host: address.host, port: address.port, allowHalfOpen: true });
  await once(socket, 'connect');
  return new ByteStream(socket);
}
