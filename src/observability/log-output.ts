/**
 * Brings the log's lines to where they are written, which may be slow, full or broken: a pipe that nobody reads, a disk
 * without space, a terminal that was told to wait.
 *
 * One write is under way at a time, and lines gather behind it up to a bound; clients decide how many there are. Beyond it
 * the oldest are dropped and counted, and a line in their place says how many: the last words of a process are worth more
 * than what was said before them. After an error what is left is tried again every second: a disk gets space, a FIFO
 * another reader. Nothing of this throws, and nobody waits for it but who calls `flush`.
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
/** 256 KiB: a turn of the event loop brings as much when ten thousand connections end, and each write is one turn. */
const MOST_AT_ONCE = 256 * 1024;
/** 64 KiB of lines of level `error` are kept although they are the oldest; there are few, and one may say why all ends. */
const MOST_KEPT = 64 * 1024;
/** After an error: often enough for a person, and rare enough to cost nothing. In ms. */
const RETRY_AFTER = 1_000;
/** 10 ms: a terminal says only that it is full, not when it will take more. It takes some 19 KB at a time. */
const RETRY_WHEN_FULL = 10;
/** So many lines are gone before the memory of their places is given back. */
const SPENT = 256;
/** 1 s: what the last lines may take of the time that a stop takes. */
const FLUSH_TIMEOUT = 1_000;

interface Line {
  readonly text: string;
  readonly bytes: number;
  readonly isError: boolean;
}

/** What is written at once. `lines`: how many are lost with it. */
interface Piece {
  rest: Uint8Array;
  readonly lines: number;
}

export class LogOutput {
  readonly #sink: LogSink;
  /** From `#first` on; what stands before it is gone. */
  readonly #waiting: Line[] = [];
  #first = 0;
  /** Lines of level `error` that are older than the first. */
  readonly #kept: Line[] = [];
  #keptBytes = 0;
  #underWay: Piece | undefined;
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

  /** Takes one line, line feed included, and its level. */
  write(text: string, level?: LogLevel): void {
    const bytes = Buffer.byteLength(text);
    if (bytes > MOST_AT_ONCE) {
      this.#lost += 1;
    } else {
      this.#waiting.push({ text, bytes, isError: level === 'error' });
      this.#bytes += bytes;
      while (this.#bytes > MOST_WAITING) this.#dropOldest();
    }
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

  #dropOldest(): void {
    const line = this.#takeOldest()!;
    if (line.isError && this.#keptBytes + line.bytes <= MOST_KEPT) {
      this.#kept.push(line);
      this.#keptBytes += line.bytes;
    } else {
      this.#bytes -= line.bytes;
      this.#lost += 1;
    }
  }

  #takeOldest(): Line | undefined {
    const line = this.#waiting[this.#first];
    if (line === undefined) return undefined;
    this.#first += 1;
    // Now and then, since it moves all that is behind.
    if (this.#first === this.#waiting.length || this.#first === SPENT) {
      this.#waiting.splice(0, this.#first);
      this.#first = 0;
    }
    return line;
  }

  /** Writes the next piece, unless one is under way or an error is being waited out. */
  #pump(): void {
    if (this.#writing || this.#retry !== undefined) return;
    this.#underWay ??= this.#nextPiece();
    if (this.#underWay === undefined) {
      this.#rest();
    } else {
      this.#writing = true;
      this.#sink(this.#underWay.rest, (error, taken) => this.#onWritten(error, taken));
    }
  }

  /** What was kept, then how many are missing, then what came after them. */
  #nextPiece(): Piece | undefined {
    let text = this.#kept.map((line) => line.text).join('');
    let bytes = this.#keptBytes;
    let lines = this.#kept.length;
    this.#kept.length = 0;
    this.#keptBytes = 0;
    if (this.#lost > 0) {
      const notice = this.#describeLost();
      text += notice;
      // It is not a line that waited, and counts from here on.
      this.#bytes += notice.length;
      bytes += notice.length;
      lines += this.#lost;
      this.#lost = 0;
      this.#lastError = undefined;
    }
    for (let next = this.#waiting[this.#first]; next !== undefined; next = this.#waiting[this.#first]) {
      if (bytes > 0 && bytes + next.bytes > MOST_AT_ONCE) break;
      this.#takeOldest();
      text += next.text;
      bytes += next.bytes;
      lines += 1;
    }
    return bytes === 0 ? undefined : { rest: Buffer.from(text), lines };
  }

  #describeLost(): string {
    const error = this.#lastError === undefined ? '' : ` error=${this.#lastError}`;
    return `${new Date().toISOString()} warn  log lines lost, for they could not be written lines=${this.#lost}${error}\n`;
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
