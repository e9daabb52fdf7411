/** The time that a connection may be open, and that nothing may come in either direction: the daemon's patience, where it has an end. */

export interface LifeWaits {
  /** Without data in either direction, in ms. 0: no limit. */
  readonly idleTimeout: number;
  /** From the first `tick` on, in ms. 0: no limit. */
  readonly lifeTimeout: number;
}

export class LifeClock {
  readonly #waits: LifeWaits;
  #began: number | undefined;
  #moved = -1;
  #movedAt = 0;

  constructor(waits: LifeWaits) {
    this.#waits = waits;
  }

  /**
   * What is due at the time `now`, in ms.
   *
   * @param moved bytes of data that have come so far, both ways
   * @param queued something waits for a side to take it: the stall timeout's business
   */
  tick(now: number, moved: number, queued: boolean): 'idle-timeout' | 'life-timeout' | undefined {
    const { idleTimeout, lifeTimeout } = this.#waits;
    this.#began ??= now;
    if (lifeTimeout > 0 && now - this.#began >= lifeTimeout) return 'life-timeout';
    if (idleTimeout === 0) return undefined;
    if (moved !== this.#moved || queued) {
      this.#moved = moved;
      this.#movedAt = now;
    }
    return now - this.#movedAt >= idleTimeout ? 'idle-timeout' : undefined;
  }
}
