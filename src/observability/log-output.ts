/**
 * Brings the log's lines to where they are written, which may be slow, full or broken: a pipe that nobody reads, a disk
 * without space, a terminal that was told to wait.
 *
 * One write is under way at a time, and lines gather behind it up to a bound; clients decide how many there are. Beyond it
 * lines are lost, counted, and told of as soon as there is room. After an error what is left is tried again every second:
 * a disk gets space, a FIFO another reader. Nothing of this throws, and nobody waits for it but who calls `flush`.
 */
import type { LogLevel } from './logger.ts';

/**
 * Writes bytes.
 *
 * @param done is called later, once: with how many bytes are done with, the first ones, and an error if not all of them
 *     are written. Bytes that are done with and not written are lost
 */
export type LogSink = (
  bytes: Uint8Array,
  done: (error: Error | null | undefined, taken: number) => void,
) => void;

/** 1 MiB: some ten thousand lines. */
const MOST_WAITING = 1024 * 1024;
/** 64 KiB: what a pipe holds. When one fails, no more than this is lost. */
const MOST_AT_ONCE = 64 * 1024;
/** After an error: often enough for a person, and rare enough to cost nothing. In ms. */
const RETRY_AFTER = 1_000;
/** 50 ms: a terminal says only that it is full, not when it will take more. */
const RETRY_WHEN_FULL = 50;
/** 1 s: what the last lines may take of the time that a stop takes. */
const FLUSH_TIMEOUT = 1_000;

/** `lines`: how many are lost with it. */
interface Entry {
  readonly text: string;
  readonly bytes: number;
  readonly lines: number;
}

export class LogOutput {
  readonly #sink: LogSink;
  readonly #waiting: Entry[] = [];
  #underWay: { rest: Uint8Array; readonly lines: number } | undefined;
  #writing = false;
  /** Of what waits and what is under way. */
  #bytes = 0;
  #lost = 0;
  #lastError: string | undefined;
  #retry: NodeJS.Timeout | undefined;
  /** Called when there is nothing left to do, or nothing that can be done now. */
  readonly #onRest: (() => void)[] = [];

  constructor(sink: LogSink) {
    this.#sink = sink;
  }

  /**
   * Takes one line, line feed included. One of level `error` is let in at the cost of the oldest: it may be the last word
   * of a process.
   */
  write(line: string, level?: LogLevel): void {
    const bytes = Buffer.byteLength(line);
    // A reader that is slow, and never done, is told what it misses when half of what waited is gone.
    const most = this.#lost === 0 ? MOST_WAITING : MOST_WAITING / 2;
    if (this.#bytes + bytes <= most) {
      this.#tellLost();
    } else if (level !== 'error' || !this.#makeRoom(bytes)) {
      this.#lost += 1;
      return;
    }
    this.#add({ text: line, bytes, lines: 1 });
    this.#pump();
  }

  /** Resolves when all lines are written, when one cannot be, or after a second. */
  async flush(): Promise<void> {
    if (this.#retry !== undefined) this.#tryAgain();
    if (!this.#writing) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#onRest.push(resolve);
      timer = setTimeout(resolve, FLUSH_TIMEOUT);
    });
    clearTimeout(timer);
  }

  #add(entry: Entry): void {
    this.#waiting.push(entry);
    this.#bytes += entry.bytes;
  }

  #tellLost(): void {
    if (this.#lost === 0) return;
    const error = this.#lastError === undefined ? '' : ` error=${this.#lastError}`;
    const text = `${new Date().toISOString()} warn  log lines lost, for they could not be written lines=${this.#lost}${error}\n`;
    this.#add({ text, bytes: Buffer.byteLength(text), lines: this.#lost });
    this.#lost = 0;
    this.#lastError = undefined;
  }

  #makeRoom(bytes: number): boolean {
    let count = 0;
    for (const { bytes: old, lines } of this.#waiting) {
      if (this.#bytes + bytes <= MOST_WAITING) break;
      this.#bytes -= old;
      this.#lost += lines;
      count += 1;
    }
    this.#waiting.splice(0, count);
    return this.#bytes + bytes <= MOST_WAITING;
  }

  /** Writes the next piece, unless one is under way or an error is being waited out. */
  #pump(): void {
    if (this.#writing || this.#retry !== undefined) return;
    if (this.#underWay === undefined && this.#waiting.length === 0) this.#tellLost();
    this.#underWay ??= this.#nextPiece();
    if (this.#underWay === undefined) {
      this.#rest();
    } else {
      this.#writing = true;
      this.#sink(this.#underWay.rest, (error, taken) => this.#onWritten(error, taken));
    }
  }

  #nextPiece(): { rest: Uint8Array; lines: number } | undefined {
    if (this.#waiting.length === 0) return undefined;
    let bytes = 0;
    let lines = 0;
    let text = '';
    let count = 0;
    for (const entry of this.#waiting) {
      if (count > 0 && bytes + entry.bytes > MOST_AT_ONCE) break;
      bytes += entry.bytes;
      lines += entry.lines;
      text += entry.text;
      count += 1;
    }
    this.#waiting.splice(0, count);
    return { rest: Buffer.from(text), lines };
  }

  #onWritten(error: Error | null | undefined, taken: number): void {
    const piece = this.#underWay!;
    this.#writing = false;
    this.#bytes -= taken;
    const full = (error as NodeJS.ErrnoException | undefined)?.code === 'EAGAIN';
    if (error && !full) this.#lastError = codeOf(error);
    if (taken >= piece.rest.length) {
      this.#underWay = undefined;
      if (error) this.#lost += piece.lines;
    } else {
      // What is left of a line goes on where it was cut.
      piece.rest = piece.rest.subarray(taken);
    }
    if (error || taken === 0) this.#waitOut(full || !error ? RETRY_WHEN_FULL : RETRY_AFTER);
    else this.#pump();
    if (error && !full) this.#rest();
  }

  #waitOut(time: number): void {
    // A log that cannot be written keeps no process alive.
    this.#retry = setTimeout(() => this.#tryAgain(), time).unref();
  }

  #tryAgain(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#pump();
  }

  #rest(): void {
    for (const resolve of this.#onRest.splice(0)) resolve();
  }
}

/** The system's code for it. Whatever else there is to be said may not fit a line. */
function codeOf(error: NodeJS.ErrnoException): string {
  return /^[A-Z0-9_]{1,40}$/.exec(String(error.code))?.[0] ?? 'unknown';
}
