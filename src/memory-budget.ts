/**
 * How much may wait in all connections together, for whatever: for a side that does not take it, for the rest of a
 * message, for a peer that is still being dialled.
 *
 * Each connection has a bound of its own for each of these, but ten thousand of them at that bound are more than a
 * machine has. Over the budget whoever wants more is refused it and ends, and new connections are refused. Well over it,
 * whoever wants more is cut, which frees what it held. And for as long as anybody had to be refused, and a while longer,
 * who holds something and makes no progress is given up sooner (`pressed`), or a few who are silent could keep all of it.
 *
 * What counts is memory that was taken because bytes came, never because somebody announced them. What does not count:
 * what a connection takes anyway, the slabs that they share, zlib's windows (docs/reliability.md).
 */
import { totalmem } from 'node:os';

/** 64 MiB: what one daemon can do with on the smallest of machines. */
const LEAST = 64 * 1024 * 1024;

/** Of what is over the budget: bytes that were already read have to go somewhere. */
const EXHAUSTED = 1.25;

/** A quarter of the memory that the container, or else the machine, has. In bytes. */
export function defaultBudget(): number {
  const total = totalmem();
  // Node has it from 20.12 on; 0, or more than there is: no constraint.
  const constrained = process.constrainedMemory?.() ?? 0;
  const available = constrained > 0 && constrained < total ? constrained : total;
  return Math.max(LEAST, Math.floor(available / 4));
}

export class MemoryBudget {
  readonly limit: number;
  readonly #lasting: number;
  #used = 0;
  /** Somebody was refused since the last tick. */
  #refused = false;
  #pressedUntil = Number.NEGATIVE_INFINITY;
  #pressed = false;

  /**
   * @param limit in bytes
   * @param lasting how long memory counts as short behind a refusal, in ms
   */
  constructor(limit: number, lasting = 0) {
    this.limit = limit;
    this.#lasting = lasting;
  }

  /** Looks whether memory is short. `now` is in ms of a monotonic clock. */
  tick(now: number): void {
    if (this.#refused || this.full) this.#pressedUntil = now + this.#lasting;
    this.#refused = false;
    this.#pressed = now < this.#pressedUntil;
  }

  /** Whether memory is short, or was a moment ago. */
  get pressed(): boolean {
    return this.#pressed || this.full;
  }

  /** Somebody has asked for what there is not. */
  refuse(): void {
    this.#refused = true;
  }

  /** Bytes that wait. */
  get used(): number {
    return this.#used;
  }

  /** Whether more waits than should. */
  get full(): boolean {
    return this.#used > this.limit;
  }

  /** Whether it is so much more that only cutting helps. */
  get exhausted(): boolean {
    return this.#used > this.limit * EXHAUSTED;
  }

  add(bytes: number): void {
    this.#used += bytes;
  }
}

/** What one connection has of the budget. */
export class MemoryAccount {
  readonly #budget: MemoryBudget;
  #held = 0;
  #overdrawn = false;
  #closed = false;

  constructor(budget: MemoryBudget) {
    this.#budget = budget;
  }

  get held(): number {
    return this.#held;
  }

  /** Whether it has grown by `add` when the budget was used up: the connection is to end. */
  get overdrawn(): boolean {
    return this.#overdrawn;
  }

  /** Whether memory is short, whoever uses it. */
  get pressed(): boolean {
    return this.#budget.pressed;
  }

  /**
   * Takes so many bytes more, which are there already, or gives them back if they are negative.
   *
   * @param asked false: nobody has just asked for them, they only show now
   */
  add(bytes: number, asked = true): void {
    if (bytes === 0 || this.#closed) return;
    this.#held += bytes;
    this.#budget.add(bytes);
    if (asked && bytes > 0 && this.#budget.full) this.#overdrawn = true;
  }

  /** Takes bytes that are not there yet. @returns false: there are no more, and none were taken */
  reserve(bytes: number): boolean {
    if (this.#closed) return true;
    this.#budget.add(bytes);
    if (this.#budget.full) {
      this.#budget.add(-bytes);
      this.#budget.refuse();
      return false;
    }
    this.#held += bytes;
    return true;
  }

  /** Gives all of it back. Nothing counts any more. */
  close(): void {
    this.#closed = true;
    this.#budget.add(-this.#held);
    this.#held = 0;
  }
}
