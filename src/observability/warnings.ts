/**
 * Lines of which clients decide how many there are, such as those of refused connections: of each kind one in a while is
 * logged, and the others are counted.
 *
 *     warn  refused limit=max-connections client=192.0.2.7:52344 more=123
 *
 * The first of a kind goes out at once. Within the interval behind it the others are counted, and the next one that goes
 * out says with `more` how many there were between the two: one that comes when the interval is over, or else the last of
 * those that were kept back, at a `tick`.
 */
import type { LogFields, LogMethod } from './logger.ts';

/** More kinds than this count as one. There are as many as the code has names for. */
const MOST_KINDS = 64;

interface Kind {
  /** When a line last went out. */
  last: number;
  /** Those kept back since, the latest included. */
  kept: number;
  latest: readonly [event: string, fields: LogFields] | undefined;
}

export class ThrottledLog {
  readonly #write: LogMethod | undefined;
  readonly #interval: number;
  readonly #kinds = new Map<string, Kind>();

  /**
   * @param write a method of a log; undefined where its level is off
   * @param interval from one line of a kind to the next, in ms
   */
  constructor(write: LogMethod | undefined, interval = 1_000) {
    this.#write = write;
    this.#interval = interval;
  }

  /**
   * @param key what is counted together
   * @param now in ms of a monotonic clock
   */
  log(event: string, key: string, fields: LogFields, now: number): void {
    if (this.#write === undefined) return;
    const kind = this.#kindOf(key);
    if (now - kind.last < this.#interval) {
      kind.kept += 1;
      kind.latest = [event, fields];
    } else {
      this.#say(kind, event, fields, kind.kept, now);
    }
  }

  /** Logs what was kept back, where the interval is over. */
  tick(now: number): void {
    for (const [key, kind] of this.#kinds) {
      if (now - kind.last < this.#interval) continue;
      if (kind.latest === undefined) this.#kinds.delete(key);
      else this.#say(kind, ...kind.latest, kind.kept - 1, now);
    }
  }

  /** Logs what was kept back, at the end of the daemon. */
  flush(): void {
    this.tick(Number.POSITIVE_INFINITY);
    this.#kinds.clear();
  }

  #kindOf(key: string): Kind {
    const name = this.#kinds.has(key) || this.#kinds.size < MOST_KINDS ? key : '';
    let kind = this.#kinds.get(name);
    if (kind === undefined) {
      kind = { last: Number.NEGATIVE_INFINITY, kept: 0, latest: undefined };
      this.#kinds.set(name, kind);
    }
    return kind;
  }

  #say(kind: Kind, event: string, fields: LogFields, others: number, now: number): void {
    kind.last = now;
    kind.kept = 0;
    kind.latest = undefined;
    this.#write?.(event, others === 0 ? fields : { ...fields, more: others });
  }
}
