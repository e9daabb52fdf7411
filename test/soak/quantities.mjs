// What is sampled, and how it is judged.

const KIB = 1024;

/**
 * Memory at rest, behind a collection, in bytes. In the later half of a run it may not rise, for certain, by more than
 * `once` in all: what V8 still compiles and optimizes anew then, and for what is resident how the allocator spreads it
 * over pages. It is the same for a run of any length, so the longer one finds the smaller leak: in ten minutes 512 KiB
 * are some ten bytes for each session.
 *
 * All that is resident is not judged: how much of it V8 keeps for new objects follows the rate at which they came.
 */
export const MEMORY = [
  { name: 'heapUsed', title: 'heap', once: 512 * KIB },
  { name: 'external', title: 'outside of the heap, array buffers', once: 256 * KIB },
  { name: 'native', title: "resident, without what is V8's", once: 8192 * KIB },
];

/** What has to be exactly as before, each time that nothing but the connections that stay is there. */
export const COUNTS = [
  { name: 'connections', title: 'connections' },
  { name: 'slabs', title: 'slabs that are lent' },
  { name: 'descriptors', title: 'open descriptors' },
  { name: 'timers', title: 'timers' },
  { name: 'resources', title: 'active resources of each kind' },
  { name: 'listeners', title: 'listeners of sockets and servers' },
  { name: 'processListeners', title: 'listeners of the process' },
];

/** Names of those counts that differ. */
export const different = (one, other) =>
  COUNTS.filter(({ name }) => JSON.stringify(one[name]) !== JSON.stringify(other[name])).map(
    ({ name }) => name,
  );
