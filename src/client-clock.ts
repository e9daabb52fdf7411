/**
 * The waits that the daemon grants a client: for its request, for a sign of life, for its Close.
 *
 * Backpressure must never look like a dead client. Therefore the clock of keepalive stands still while we do not read
 * from the client, a Ping counts from when it has left our queue, and as long as queued bytes move towards the client it
 * is alive. The wait for its Close begins when ours has left the queue.
 *
 * It reads no clock itself: `heard` is called for each read and must cost nothing; `tick` turns it into a time.
 */
import type { ConnectionState } from './rfc6455/connection.ts';

export interface ClientWaits {
  readonly headTimeout: number;
  readonly closeTimeout: number;
}

/** How far the bytes for the client have come. */
export interface ClientQueue {
  readonly written: number;
  readonly unsent: number;
}

export type ClientVerdict = 'ping' | 'head-timeout' | 'client-silent' | 'close-timeout' | undefined;

export class ClientClock {
  readonly #keepalive: number;
  readonly #waits: ClientWaits;
  #began: number | undefined;
  #heard = true;
  /** Since when nothing has come. */
  #silentSince = 0;
  /** `written` when the Ping had been queued; undefined: none is out. */
  #pingEnd: number | undefined;
  #pingLeftAt: number | undefined;
  #sent = 0;
  #closingSince: number | undefined;

  /** @param keepalive ms of silence before a Ping, and again before the verdict. 0: off */
  constructor(keepalive: number, waits: ClientWaits) {
    this.#keepalive = keepalive;
    this.#waits = waits;
  }

  /** Something came from the client. */
  heard(): void {
    this.#heard = true;
  }

  /** A Ping was written, and with it so many bytes in all. */
  pinged(written: number): void {
    this.#pingEnd = written;
    this.#pingLeftAt = undefined;
  }

  /** @param held we do not read from the client, because its peer takes no more */
  tick(now: number, state: ConnectionState, queue: ClientQueue, held: boolean): ClientVerdict {
    this.#began ??= now;
    if (state === 'head') {
      const { headTimeout } = this.#waits;
      return headTimeout > 0 && now - this.#began >= headTimeout ? 'head-timeout' : undefined;
    }
    if (state === 'closing') return this.#awaitClose(now, queue);
    if (state === 'open' && this.#keepalive > 0) return this.#keepAlive(now, queue, held);
    return undefined;
  }

  #awaitClose(now: number, queue: ClientQueue): ClientVerdict {
    if (queue.unsent > 0) return undefined; // the stall timeout's business
    this.#closingSince ??= now;
    return now - this.#closingSince >= this.#waits.closeTimeout ? 'close-timeout' : undefined;
  }

  #keepAlive(now: number, queue: ClientQueue, held: boolean): ClientVerdict {
    const sent = queue.written - queue.unsent;
    const alive = this.#heard || held;
    if (alive) {
      this.#heard = false;
      this.#silentSince = now;
      this.#pingEnd = undefined;
    }
    const moved = sent !== this.#sent;
    this.#sent = sent;
    if (this.#pingEnd === undefined) return now - this.#silentSince >= this.#keepalive ? 'ping' : undefined;
    if (sent < this.#pingEnd) return undefined;
    if (this.#pingLeftAt === undefined || moved) this.#pingLeftAt = now;
    return now - this.#pingLeftAt >= this.#keepalive ? 'client-silent' : undefined;
  }
}
