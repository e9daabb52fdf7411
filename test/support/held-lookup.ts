/** A look-up of a peer's name that waits until the test answers it. */
import type { Resolver } from '../../src/transports/resolve.ts';

export class HeldLookup {
  #answer: (addresses: readonly string[]) => void = () => {};
  #fail: (error: Error) => void = () => {};
  #asked = 0;
  readonly #found: Promise<readonly string[]>;

  constructor() {
    this.#found = new Promise((resolve, reject) => {
      this.#answer = resolve;
      this.#fail = reject;
    });
    this.#found.catch(() => {});
  }

  readonly resolver: Resolver = () => {
    this.#asked += 1;
    return this.#found;
  };

  /** How often it was asked. */
  get asked(): number {
    return this.#asked;
  }

  answer(): void {
    this.#answer(['127.0.0.1']);
  }

  fail(): void {
    this.#fail(new Error('no such name'));
  }
}
