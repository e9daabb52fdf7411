/**
 * Who may come in: how many connections there are, how many of one address, how fast it opens new ones, and how the
 * daemon fares.
 *
 * An address has a bucket of tokens: each new connection takes one, and so many a second come back. Refused attempts take
 * none, so that who is refused is let in again at the rate that was set, however hard it tries.
 */
import { clientNetwork } from './client-address.ts';
import { PER_CONNECTION } from './descriptors.ts';
import type { FaultCode } from './errors.ts';
import type { Limits } from './limits.ts';
import type { MemoryBudget } from './memory-budget.ts';

/** Addresses whose buckets are kept. Where there are more, the one that has been quiet the longest is forgotten. */
const MOST_BUCKETS = 100_000;

interface Bucket {
  tokens: number;
  /** When that was, in ms. */
  at: number;
}

export interface AdmissionOptions {
  readonly limits: Limits;
  /** Descriptors that connections may have. */
  readonly descriptors: number;
  readonly memory: MemoryBudget;
  /** Whether clients have addresses: not those of a Unix socket. */
  readonly addressed: boolean;
}

export class Admission {
  readonly #options: AdmissionOptions;
  readonly #burst: number;
  readonly #counts = new Map<string, number>();
  readonly #buckets = new Map<string, Bucket>();
  #connections = 0;
  #descriptors = 0;
  #overloaded = false;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    const { addressBurst, addressRate } = options.limits;
    this.#burst = addressBurst === 0 ? addressRate : addressBurst;
  }

  get connections(): number {
    return this.#connections;
  }

  /** Whether the event loop has been late for some time. */
  set overloaded(is: boolean) {
    this.#overloaded = is;
  }

  /**
   * Lets a client in, who is to `leave` later.
   *
   * @param now in ms of a monotonic clock
   * @returns why not; undefined: it is in
   */
  enter(address: string, now: number): FaultCode | undefined {
    const { limits, descriptors, memory } = this.#options;
    if (limits.connections > 0 && this.#connections >= limits.connections) return 'connections-full';
    if (this.#descriptors + PER_CONNECTION > descriptors) return 'connections-full';
    if (this.#overloaded) return 'overloaded';
    if (memory.full) return 'memory-full';
    const fault = this.#enterAddress(address, now);
    if (fault === undefined) {
      this.#connections += 1;
      this.#descriptors += PER_CONNECTION;
    }
    return fault;
  }

  /** A client that is in has a peer that takes no descriptor. */
  giveDescriptor(): void {
    this.#descriptors -= 1;
  }

  /** @param gave whether it has given a descriptor already */
  leave(address: string, gave: boolean): void {
    this.#connections -= 1;
    this.#descriptors -= gave ? PER_CONNECTION - 1 : PER_CONNECTION;
    const key = this.#key(address);
    const count = this.#counts.get(key);
    if (count === undefined) return;
    if (count === 1) this.#counts.delete(key);
    else this.#counts.set(key, count - 1);
  }

  #key(address: string): string {
    const { addressConnections, addressRate } = this.#options.limits;
    const counts = this.#options.addressed && (addressConnections > 0 || addressRate > 0);
    return counts ? clientNetwork(address) : '';
  }

  #enterAddress(address: string, now: number): FaultCode | undefined {
    const key = this.#key(address);
    if (key === '') return undefined;
    const { addressConnections, addressRate } = this.#options.limits;
    const count = this.#counts.get(key) ?? 0;
    if (addressConnections > 0 && count >= addressConnections) return 'address-full';
    if (addressRate > 0 && !this.#takeToken(key, now)) return 'address-rate';
    if (addressConnections > 0) this.#counts.set(key, count + 1);
    return undefined;
  }

  #takeToken(key: string, now: number): boolean {
    const buckets = this.#buckets;
    const bucket = buckets.get(key) ?? { tokens: this.#burst, at: now };
    const back = ((now - bucket.at) / 1000) * this.#options.limits.addressRate;
    const tokens = Math.min(this.#burst, bucket.tokens + back);
    if (tokens < 1) return false;
    // Behind all others: those at the front have been left alone the longest.
    buckets.delete(key);
    if (buckets.size >= MOST_BUCKETS) buckets.delete(buckets.keys().next().value!);
    buckets.set(key, { tokens: tokens - 1, at: now });
    return true;
  }
}
