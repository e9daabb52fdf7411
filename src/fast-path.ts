/**
 * What the fast way of the bytes needs: the kernel, and slabs in its memory. Docs: docs/hot-path.md.
 *
 * One for the process, made when a daemon first wants it: its memory is not worth having twice.
 */
import { FLOOR, type Kernel, loadKernel } from './rfc6455/kernel.ts';
import { poolBytes, SlabPool } from './slab-pool.ts';

export interface FastPath {
  readonly kernel: Kernel;
  readonly slabs: SlabPool;
}

let loaded: FastPath | undefined | null = null;

/** Undefined: it cannot be had here, and everything goes through the heap and the decoder in TypeScript. */
export function fastPath(): FastPath | undefined {
  if (loaded === null) loaded = makeFastPath();
  return loaded;
}

/** One that is not shared with anybody, for tests. */
export function makeFastPath(): FastPath | undefined {
  const kernel = loadKernel(poolBytes(FLOOR));
  return kernel && { kernel, slabs: new SlabPool(kernel.buffer, FLOOR) };
}
