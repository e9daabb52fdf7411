/**
 * Whether the event loop keeps up: a timer that comes late says how long everybody else had to wait, too.
 *
 * One late tick may be a long garbage collection, or a plugin that read a file. Two in a row are overload.
 */
import { TICK } from './limits.ts';

const ROW = 2;

export class LoopWatch {
  readonly #limit: number;
  #due: number | undefined;
  #row = 0;
  #lag = 0;

  /** @param limit in ms. 0: never overloaded */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How late the last tick was, in ms. */
  get lag(): number {
    return this.#lag;
  }

  get overloaded(): boolean {
    return this.#row >= ROW;
  }

  /** To be called each `TICK`. */
  tick(now: number): void {
    this.#lag = this.#due === undefined ? 0 : Math.max(0, now - this.#due);
    this.#due = now + TICK;
    this.#row = this.#limit > 0 && this.#lag >= this.#limit ? this.#row + 1 : 0;
  }
}
