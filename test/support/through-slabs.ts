/** Gives connections that a test makes itself what sockets give them: reads that lie in the read slab for the time of a call. */
import { makeFastPath } from '../../src/fast-path.ts';
import type { Connection } from '../../src/rfc6455/connection.ts';
import { WAY } from './kernel-way.ts';

/** To make a connection with. Undefined: there is to be no kernel. */
export const fast = WAY === 'kernel' ? makeFastPath() : undefined;

let receiving = false;

/** Gives a connection that was made with `fast` what a socket has read. What lay there is written over behind the call. */
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
