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

  /** Calls `begin` when it may: now, or later. It is to be followed by one call of `done`. */
  take(begin: () => void): void {
    if (this.#free === 0) {
      this.#waiting.add(begin);
      return;
    }
    this.#free -= 1;
    begin();
  }

  /** It need not begin any more, if it has not. */
  cancel(begin: () => void): void {
    this.#waiting.delete(begin);
  }

  done(): void {
    this.#free += 1;
    const [next] = this.#waiting;
    if (next === undefined) return;
    this.#waiting.delete(next);
    this.take(next);
  }
}
