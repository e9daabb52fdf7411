/**
 * Which way the bytes go in a run of the suite: by the kernel, as the daemon has it by default, or, with TEST_KERNEL=off,
 * by the decoder in TypeScript and the heap alone. vitest.config.ts runs the tests of the protocol both ways.
 */
import { makeFastPath } from '../../src/fast-path.ts';
import type { Connection } from '../../src/rfc6455/connection.ts';

export const KERNEL_OFF = process.env['TEST_KERNEL'] === 'off';

/** For connections that a test makes itself. Undefined: there is none, or there is to be none. */
export const fast = KERNEL_OFF ? undefined : unlessItThrows(makeFastPath);

/** For what says by an error that it cannot be had here. */
export function unlessItThrows<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}

let receiving = false;

/** Gives a connection that was made with `fast` what a socket has read: from the read slab, which is then written over. */
export function receive(connection: Connection, bytes: Uint8Array): boolean {
  // No read comes while another one is dealt with, and none is longer than the slab.
  if (fast === undefined || receiving || bytes.length > fast.slabs.readSlab.length)
    return connection.receive(bytes);
  const chunk = fast.slabs.readSlab.subarray(0, bytes.length);
  chunk.set(bytes);
  receiving = true;
  try {
    return connection.receive(chunk);
  } finally {
    receiving = false;
    chunk.fill(0xee);
  }
}
