/** Slabs for tests of sockets alone: in memory of the heap's, which does as well where no kernel runs over it. */
import { poolBytes, SlabPool } from '../../src/slab-pool.ts';

export function heapSlabs(): SlabPool {
  return new SlabPool(new ArrayBuffer(poolBytes(0)), 0);
}
