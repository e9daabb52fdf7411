/**
 * How many attempts to connect may be under way beyond the first of each dial, for all connections of a daemon together.
 *
 * Each has a descriptor, of which there are no more than what is kept back from connections (descriptors.ts); a dial that
 * gets none waits for its earlier attempts to fail.
 */
export class SpareAttempts {
  #left: number;

  constructor(most: number) {
    this.#left = most;
  }

  get left(): number {
    return this.#left;
  }

  /** @returns whether there is one; it is to be given back */
  take(): boolean {
    if (this.#left <= 0) return false;
    this.#left -= 1;
    return true;
  }

  give(): void {
    this.#left += 1;
  }
}
