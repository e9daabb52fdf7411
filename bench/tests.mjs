// The rows of the benchmark: which load is put on a bridge, and what is counted of it. README.md says it in words.

const rate = (name, unit, scale) => (from, to) => ({
  unit,
  count: (to[name] - from[name]) / scale,
});
const megabytes = rate('received', 'MB', 1e6);

export const echo = (connections, depth) => ({
  peer: 'echo',
  client: 'echo',
  connections,
  depth,
  size: 64,
  counts: (ends) => rate('answers', 'messages', 1)(ends.client.from, ends.client.to),
});
export const upload = (size) => ({
  peer: 'sink',
  client: 'upload',
  connections: 1,
  depth: 1,
  size,
  counts: (ends) => megabytes(ends.peer.from, ends.peer.to),
});

/**
 * Each: the peer's mode, the client's test, and what happened between two readings of both. `connections`: at once;
 * `depth`: messages of one connection under way; `size`: payload of a message.
 */
export const TESTS = {
  up64k: upload(65_536),
  up1k: upload(1_024),
  down: {
    peer: 'source',
    client: 'download',
    connections: 1,
    depth: 1,
    size: 64,
    counts: (ends) => megabytes(ends.client.from, ends.client.to),
  },
  echo1x1: echo(1, 1),
  echo64x1: echo(64, 1),
  echo1x32: echo(1, 32),
  echo64x32: echo(64, 32),
  conn: {
    peer: 'hello',
    client: 'connect',
    connections: 32,
    depth: 1,
    size: 64,
    counts: (ends) => rate('cycles', 'connections', 1)(ends.client.from, ends.client.to),
  },
  /** Memory, not speed: what so many more connections add to so many. */
  idle: { peer: 'hello', client: 'idle', base: 1_000, more: 4_000 },
};

/** Whether payload goes through, and not only a peer's greeting: what text both ways can differ in. */
export const isStream = (test) => test.peer !== 'hello';

export const NAMES = Object.keys(TESTS);
