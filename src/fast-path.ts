/**
 * What the fast way of the bytes needs: the kernel, slabs in its memory, and sockets that read into them. Docs: docs/hot-path.md.
 *
 * One for the process, made when a daemon first wants it: its memory is not worth having twice.
 */
import { messageOf } from './errors.ts';
import type { FastPath } from './rfc6455/connection-handler.ts';
import { FLOOR, loadKernel } from './rfc6455/kernel.ts';
import { poolBytes, SlabPool } from './slab-pool.ts';
import { hasSlabSockets } from './transports/slab-socket.ts';

/** Why there is none: then everything goes through the heap and the decoder in TypeScript. */
export interface NoFastPath {
  readonly problem: string;
}

let found: FastPath | NoFastPath | undefined;

/** The one of this process. */
export function fastPath(): FastPath | NoFastPath {
  found ??= findFastPath();
  return found;
}

function findFastPath(): FastPath | NoFastPath {
  if (!hasSlabSockets) return { problem: `the sockets of Node ${process.version} are not as they are known` };
  try {
    return makeFastPath();
  } catch (error) {
    return { problem: messageOf(error) };
  }
}

/**
 * One that is not shared with anybody.
 *
 * @throws Error that says why it cannot be had here
 */
export function makeFastPath(): FastPath {
  const kernel = loadKernel(poolBytes(FLOOR));
  return { kernel, slabs: new SlabPool(kernel.buffer, FLOOR) };
}
