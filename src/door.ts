/**
 * Who is let in, and what becomes of the others: they are told so while there are descriptors left to say it, and counted
 * in any case. A line of the log stands for many of them.
 */
import type { Socket } from 'node:net';
import { Admission } from './admission.ts';
import { filesFor, openFiles, PER_CONNECTION, reserveOf, shareOf } from './descriptors.ts';
import { Fault, type FaultCode } from './errors.ts';
import type { Limits } from './limits.ts';
import type { MemoryBudget } from './memory-budget.ts';
import type { Counters } from './observability/counters.ts';
import type { Logger } from './observability/logger.ts';
import { ThrottledLog } from './observability/warnings.ts';
import { TurnedAway } from './turned-away.ts';

export interface DoorOptions {
  readonly limits: Limits;
  readonly memory: MemoryBudget;
  /** Whether clients have addresses: not those of a Unix socket. */
  readonly addressed: boolean;
  readonly counters: Counters;
  readonly log: Logger;
  /** The last of those who were turned away has gone. */
  readonly onEmpty: () => void;
}

/** A limit of open files that leaves room for fewer connections was hardly set for a bridge. */
const WORTH_A_WARNING = 1_000;

export class Door {
  readonly #options: DoorOptions;
  readonly #files = openFiles();
  readonly #admission: Admission;
  readonly #turnedAway = new Set<TurnedAway>();
  readonly #warnings: ThrottledLog;

  constructor(options: DoorOptions) {
    this.#options = options;
    this.#warnings = new ThrottledLog(options.log.warn);
    this.#admission = new Admission({ ...options, descriptors: shareOf(this.#files) });
  }

  /** Connections that there is room for. */
  get capacity(): number {
    const possible = Math.floor(shareOf(this.#files) / PER_CONNECTION);
    const { connections } = this.#options.limits;
    return connections === 0 ? possible : Math.min(connections, possible);
  }

  /** Descriptors for attempts of dials beyond the first: a quarter of what is kept back. */
  get spareDescriptors(): number {
    return reserveOf(this.#files) >> 2;
  }

  /** Those who are turned away, and not gone yet. */
  get waiting(): number {
    return this.#turnedAway.size;
  }

  set overloaded(is: boolean) {
    this.#admission.overloaded = is;
  }

  /** Says in the log how many there is room for, and what to do if that is fewer than there should be. */
  tellBounds(): void {
    const { log, limits, memory } = this.#options;
    log.info?.('bounds', {
      'max-connections': this.capacity,
      'open-files': this.#files,
      'max-buffered': memory.limit,
    });
    const wanted = limits.connections === 0 ? WORTH_A_WARNING : limits.connections;
    if (wanted <= this.capacity) return;
    log.warn?.(
      `the limit of open files, ${this.#files}, leaves room for ${this.capacity} connections: for ${wanted} raise it ` +
        `to ${filesFor(wanted)} (ulimit -n, LimitNOFILE= of systemd, --ulimit nofile= of docker)`,
    );
  }

  /** @returns whether the client is let in, who is to `leave` later; otherwise the socket is taken care of */
  enter(socket: Socket, address: string): boolean {
    this.#options.counters.add('accepted');
    const now = performance.now();
    const why = this.#admission.enter(address, now);
    if (why !== undefined) this.#turnAway(socket, address, why, now);
    return why === undefined;
  }

  /** A client that is in has a peer that takes no descriptor. */
  giveDescriptor(): void {
    this.#admission.giveDescriptor();
  }

  /** @param gave whether it has given a descriptor already */
  leave(address: string, gave: boolean): void {
    this.#admission.leave(address, gave);
  }

  tick(now: number): void {
    for (const client of this.#turnedAway) client.tick(now);
    this.#warnings.tick(now);
  }

  /** At once. */
  cut(): void {
    for (const client of [...this.#turnedAway]) client.cut();
  }

  /** Logs what was kept back. */
  close(): void {
    this.#warnings.flush();
  }

  #turnAway(socket: Socket, client: string, why: FaultCode, now: number): void {
    const { counters } = this.#options;
    counters.ended('refused', why);
    this.#warnings.log('turned away', why, { client, why }, now);
    // Half of what is kept back is for answers. When that is used up, too, there is nothing left to say it with.
    if (this.#turnedAway.size < reserveOf(this.#files) >> 1) {
      this.#turnedAway.add(new TurnedAway(socket, new Fault(why), (one) => this.#forget(one)));
    } else {
      counters.add('unanswered');
      socket.destroy();
    }
  }

  #forget(client: TurnedAway): void {
    this.#turnedAway.delete(client);
    if (this.#turnedAway.size === 0) this.#options.onEmpty();
  }
}
