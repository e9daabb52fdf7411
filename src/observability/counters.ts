/** What has happened since the daemon began, in numbers: for whoever asks, and for the log at its end. */
import type { FaultCode } from '../errors.ts';

export class Counters {
  readonly #values = new Map<string, number>();

  add(name: string, amount = 1): void {
    this.#values.set(name, (this.#values.get(name) ?? 0) + amount);
  }

  /** A connection has ended, or was refused. */
  ended(kind: 'closed' | 'refused', why: FaultCode): void {
    this.add(`${kind}-${why}`);
  }

  /** All that are not 0, by name. */
  snapshot(): Readonly<Record<string, number>> {
    const entries = [...this.#values].filter(([, value]) => value !== 0);
    return Object.fromEntries(entries.sort(([one], [other]) => (one < other ? -1 : 1)));
  }
}
