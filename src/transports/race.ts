/**
 * From the addresses of a name to one transport on a connected TCP socket.
 *
 * They are dialled as RFC 8305 §5 says: the next attempt starts 250 ms after the last one, or at once when that has
 * failed; earlier attempts stay alive; the first to connect wins and the others are dropped. All of it, the name
 * look-up included, happens within one timeout, and stops when the signal is aborted.
 *
 * Node's own `autoSelectFamily` is not used: it gives up each attempt after 250 ms, so that a peer which needs 300 ms
 * is never reached.
 */
import type { Socket } from 'node:net';
import type { CancelSignal } from '../cancellation.ts';
import { Fault, messageOf } from '../errors.ts';
import type { SlabPool } from '../slab-pool.ts';
import { formatAddress, formatEndpoint, type PeerAddress } from './address.ts';
import { checkAddresses, type Resolver } from './resolve.ts';
import type { SpareAttempts } from './spare-attempts.ts';
import { type StreamLimits, StreamTransport, streamSocket } from './stream.ts';

/** RFC 8305 §8: the recommended Connection Attempt Delay. */
const ATTEMPT_DELAY = 250;

/** More addresses than this are not tried: within the dial timeout there would be no time for them. */
export const MAX_ATTEMPTS = 32;

export interface RaceOptions extends StreamLimits {
  readonly resolver: Resolver;
  /** Time for all of it, in ms. */
  readonly dialTimeout: number;
  /** What sockets read into. Left out: memory of their own. */
  readonly slabs?: SlabPool | undefined;
  /** Attempts that may be under way beside the first. Left out: as many as the addresses give. */
  readonly spare?: SpareAttempts | undefined;
}

/**
 * Connects to the first address of a TCP peer that answers.
 *
 * @throws (rejects) Fault `dial-failed` or `dial-timeout`, with what went wrong in its details; the signal's reason if aborted
 */
export function connectFirst(
  address: PeerAddress & { kind: 'tcp' },
  options: RaceOptions,
  signal: CancelSignal,
): Promise<StreamTransport> {
  return new Promise((resolve, reject) => {
    new Race(address, options, signal, resolve, reject).start();
  });
}

class Race {
  readonly #address: PeerAddress & { kind: 'tcp' };
  readonly #options: RaceOptions;
  readonly #signal: CancelSignal;
  readonly #resolve: (transport: StreamTransport) => void;
  readonly #reject: (reason: unknown) => void;
  readonly #attempts = new Set<Socket>();
  readonly #errors: string[] = [];
  #addresses: readonly string[] = [];
  #next = 0;
  #spares = 0;
  #settled = false;
  #deadline: NodeJS.Timeout | undefined;
  #delay: NodeJS.Timeout | undefined;

  constructor(
    address: PeerAddress & { kind: 'tcp' },
    options: RaceOptions,
    signal: CancelSignal,
    resolve: (transport: StreamTransport) => void,
    reject: (reason: unknown) => void,
  ) {
    this.#address = address;
    this.#options = options;
    this.#signal = signal;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(): void {
    this.#signal.addEventListener('abort', this.#onAbort);
    this.#deadline = setTimeout(() => this.#fail(this.#fault('dial-timeout')), this.#options.dialTimeout);
    try {
      const found = this.#options.resolver(this.#address.host);
      if (!(found instanceof Promise)) {
        this.#begin(found);
        return;
      }
      found.then(
        (addresses) => this.#begin(addresses),
        (error) => {
          this.#errors.push(messageOf(error));
          this.#fail(this.#fault('dial-failed'));
        },
      );
    } catch (error) {
      this.#fail(error);
    }
  }

  #begin(found: readonly string[]): void {
    if (this.#settled) return;
    try {
      this.#addresses = checkAddresses(found).slice(0, MAX_ATTEMPTS);
      this.#attempt();
    } catch (error) {
      this.#fail(error);
    }
  }

  #attempt(): void {
    clearTimeout(this.#delay);
    const host = this.#addresses[this.#next];
    if (host === undefined) {
      // An attempt that is still alive may win yet.
      if (this.#attempts.size === 0) this.#fail(this.#fault('dial-failed'));
      return;
    }
    if (this.#attempts.size > 0 && !this.#takeSpare()) {
      this.#delay = setTimeout(() => this.#attempt(), ATTEMPT_DELAY);
      return;
    }
    this.#next += 1;
    const { port } = this.#address;
    const socket = streamSocket({ ...this.#options, keepAlive: true });
    socket.connect({ host, port, autoSelectFamily: false });
    this.#attempts.add(socket);
    const onError = (error: NodeJS.ErrnoException) => {
      this.#attempts.delete(socket);
      this.#giveSpares();
      this.#errors.push(`${formatEndpoint(host, port)}: ${error.code ?? error.message}`);
      if (this.#settled) return;
      if (isOutOfDescriptors(error)) this.#fail(this.#fault('descriptors-full'));
      else this.#attempt();
    };
    const onConnect = () => {
      if (this.#settled) return;
      socket.off('connect', onConnect).off('error', onError);
      this.#win(socket);
    };
    socket.on('connect', onConnect).on('error', onError);
    if (this.#next < this.#addresses.length) this.#delay = setTimeout(() => this.#attempt(), ATTEMPT_DELAY);
  }

  #win(socket: Socket): void {
    this.#attempts.delete(socket);
    this.#settle();
    this.#resolve(new StreamTransport(socket, this.#options));
  }

  #fail(reason: unknown): void {
    if (this.#settled) return;
    this.#settle();
    this.#reject(reason);
  }

  readonly #onAbort = () => this.#fail(this.#signal.reason);

  #settle(): void {
    this.#settled = true;
    clearTimeout(this.#deadline);
    clearTimeout(this.#delay);
    this.#signal.removeEventListener('abort', this.#onAbort);
    for (const socket of this.#attempts) socket.destroy();
    this.#attempts.clear();
    this.#giveSpares();
  }

  /** Without one, it is tried again after the usual delay, or when an attempt under way has failed. */
  #takeSpare(): boolean {
    if (this.#options.spare?.take() === false) return false;
    this.#spares += 1;
    return true;
  }

  /** Those of attempts that are over. */
  #giveSpares(): void {
    for (; this.#spares > Math.max(0, this.#attempts.size - 1); this.#spares -= 1)
      this.#options.spare?.give();
  }

  #fault(code: 'dial-failed' | 'dial-timeout' | 'descriptors-full'): Fault {
    const errors = this.#errors.length > 0 ? this.#errors.join(', ') : 'no answer';
    return new Fault(code, { peer: formatAddress(this.#address), errors });
  }
}

/** Whether the process (EMFILE) or the system (ENFILE) has no descriptor left. */
export function isOutOfDescriptors(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EMFILE' || code === 'ENFILE';
}
