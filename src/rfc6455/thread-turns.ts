/**
 * Whose turn it is to have zlib work in another thread. Node has four of them, in the order of their requests, and reads
 * files and looks up names there, too: without a limit a thousand long messages are in the way of each file that a backend
 * wants to read.
 */
export class ThreadTurns {
  #free: number;
  readonly #waiting = new Set<() => void>();

  /** @param threads how many may be used at a time */
  constructor(threads: number) {
    this.#free = threads;
  }

  /** @returns whether there is a turn: then it is the caller's, until `done` */
  take(): boolean {
    if (this.#free === 0) return false;
    this.#free -= 1;
    return true;
  }

  /** Calls `begin` when there is a turn, which is then its own, until `done`. */
  wait(begin: () => void): void {
    this.#waiting.add(begin);
  }

  /** It need not begin any more, if it has not. */
  cancel(begin: () => void): void {
    this.#waiting.delete(begin);
  }

  done(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free += 1;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
