/**
 * What every end-to-end test stands on: daemons of its own that never outlive it, random data from a seed, and a
 * failure message with the seed and what the daemons wrote.
 *
 * `E2E_SEED=<number>` repeats a run's random data.
 */
import { createCipheriv, createHash } from 'node:crypto';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { within } from './clients.ts';

/** For a whole test, in milliseconds: before vitest's own 120 s, so that the daemons are ended and quoted. */
const DEADLINE = 110_000;

export class Random {
  readonly seed: number;
  #state: number;

  constructor(seed: number) {
    this.seed = seed >>> 0;
    this.#state = this.seed;
  }

  /** A whole number from `low` to `high`, both included (mulberry32). */
  integer(low: number, high: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return low + Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * (high - low + 1));
  }

  /** Incompressible bytes, fast enough for 64 MiB. */
  bytes(size: number): Buffer {
    const key = sha256(Buffer.from(`${this.seed} ${this.integer(0, 2 ** 31)}`));
    return createCipheriv('aes-128-ctr', Buffer.from(key, 'hex').subarray(0, 16), Buffer.alloc(16)).update(
      Buffer.alloc(size),
    );
  }

  /** The bytes cut into pieces of `low` to `high` bytes. */
  pieces(bytes: Buffer, low: number, high: number): Buffer[] {
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const end = at + this.integer(low, high);
      pieces.push(bytes.subarray(at, end));
      at = end;
    }
    return pieces;
  }
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export interface Bridge extends Daemon {
  readonly url: string;
}

export interface Scenario {
  readonly random: Random;
  /** A daemon that ends with the test. */
  startBridge(...args: string[]): Promise<Bridge>;
  /** Runs at the end of the test, whatever its outcome. */
  afterwards(cleanUp: () => void): void;
}

/** A test's body, given what it needs and cleaned up behind. */
export function scenario(body: (scenario: Scenario) => Promise<void>): () => Promise<void> {
  return async () => {
    const random = new Random(Number(process.env['E2E_SEED'] ?? Math.floor(Math.random() * 2 ** 32)));
    const daemons: Daemon[] = [];
    const cleanUps: (() => void)[] = [];
    const startBridge = async (...args: string[]) => {
      const daemon = await startDaemon(args);
      daemons.push(daemon);
      return { ...daemon, url: `ws://${daemon.host}:${daemon.port}/` };
    };
    const afterwards = (cleanUp: () => void) => void cleanUps.push(cleanUp);
    try {
      await within(body({ random, startBridge, afterwards }), () => 'the test has not finished', DEADLINE);
    } catch (error) {
      if (error instanceof Error) {
        const outputs = daemons.map((daemon) => `the daemon wrote:\n${daemon.output().slice(-4_000)}`);
        error.message = [error.message, `E2E_SEED=${random.seed} repeats the data`, ...outputs].join('\n');
      }
      throw error;
    } finally {
      for (const cleanUp of cleanUps) cleanUp();
      await Promise.all(daemons.map((daemon) => daemon.stop('SIGKILL')));
    }
  };
}
