/**
 * Every default bound, beside its reason. Times are in milliseconds, sizes in bytes.
 *
 * The engine and the transports get the values that concern them handed in; nothing reads this file behind a caller's
 * back, so that a test or an option can set each of them. config/limit-options.ts makes the options of it.
 */
export interface Limits {
  /** Longest request head, from its first byte to its empty line. */
  readonly headBytes: number;
  /** Most header fields of a request. */
  readonly headFields: number;
  /** Time from accept to the complete request head. 0: no limit. */
  readonly headTimeout: number;
  /** Frames taken while the peer is still being dialled; beyond it the client is not read. */
  readonly earlyBytes: number;
  /** Largest message that is collected whole, for a peer that takes messages. */
  readonly messageBytes: number;
  /** Most bytes of a stream peer that wait for the framing to find the end of a message. */
  readonly segmentBytes: number;
  /** Bytes that may wait for one side before the other one is not read any more. */
  readonly queuedBytes: number;
  /** Bytes that wait, for whatever, of all connections together. 0: a quarter of the memory there is. */
  readonly bufferedBytes: number;
  /** Connections at a time. 0: as many as the open files allow. */
  readonly connections: number;
  /** The same of one client address, of IPv6 a /64. 0: no limit. */
  readonly addressConnections: number;
  /** New connections of one address in a second, in the long run. 0: no limit. */
  readonly addressRate: number;
  /** How many of them may come at once. 0: as many as in a second. */
  readonly addressBurst: number;
  /** Control frames and empty fragments that a client may send in a second. 0: no limit. */
  readonly controlRate: number;
  /** Time that a backend may take to choose the peer. 0: no limit. */
  readonly queryTimeout: number;
  /** Time from the start of a dial, name look-up included, to the connected peer. */
  readonly dialTimeout: number;
  /** Time that the client may take to answer our Close, and either side to answer our FIN. */
  readonly closeTimeout: number;
  /** Time that a write may stay without any progress. 0: no limit. */
  readonly stallTimeout: number;
  /** Time without data in either direction. 0: no limit. */
  readonly idleTimeout: number;
  /** Time from the upgrade to the end. 0: no limit. */
  readonly lifeTimeout: number;
  /** How late the event loop may be, twice in a row, before new connections are refused. 0: no limit. */
  readonly lag: number;
  /** Time after a stop was asked for in which connections may end by themselves. */
  readonly drainWait: number;
  /** Time that connections then have to flush, and clients to answer our Close, before they are cut. */
  readonly drainTimeout: number;
}

export const DEFAULT_LIMITS: Limits = Object.freeze({
  // 16 KiB: Node's own limit for a request head, and about what a browser sends with many cookies.
  headBytes: 16 * 1024,
  // 100: Apache's default; browsers send about 15.
  headFields: 100,
  // 10 s covers a slow mobile link with a lost packet or two, and bounds what a client that dribbles can hold.
  headTimeout: 10_000,
  // 64 KiB: one read of Node's. A client may send at once behind its head, but the peer is not there yet.
  earlyBytes: 64 * 1024,
  // 16 MiB: the largest message of the Autobahn suite; larger than what people send as one message in practice.
  messageBytes: 16 * 1024 * 1024,
  // 16 MiB: the same in the other direction.
  segmentBytes: 16 * 1024 * 1024,
  // 128 KiB: two reads of Node's, so that one can be written while the next is read.
  queuedBytes: 128 * 1024,
  // The machine's to say, as is the next one: see memory-budget.ts and descriptors.ts.
  bufferedBytes: 0,
  connections: 0,
  // Off, as the two below: behind a proxy all clients have one address.
  addressConnections: 0,
  addressRate: 0,
  addressBurst: 0,
  // Off: a fair client may send a Ping with every frame, and Autobahn sends thousands.
  controlRate: 0,
  // 5 s: a backend that asks another service should have heard from it, and the client still waits.
  queryTimeout: 5_000,
  // 10 s: three SYNs (at 0, 1 and 3 s) to one address, with time left for a second one.
  dialTimeout: 10_000,
  // 30 s, as `ws` has it: a side that is alive answers within a few round trips, but may be busy with what it still has
  // to read, and is reset if it writes after we have given up. curl never answers.
  closeTimeout: 30_000,
  // 5 min: longer than any pause that is not a dead program (a debugger, a laptop that wakes up).
  stallTimeout: 300_000,
  // Off: a terminal or a chat may be quiet for days, and Pings tell whether the client is there.
  idleTimeout: 0,
  // Off: nothing gets worse with age.
  lifeTimeout: 0,
  // 1 s: a person waits so long without a doubt; a healthy loop is late by milliseconds.
  lag: 1_000,
  // 0: whoever stops a daemon mostly waits for it.
  drainWait: 0,
  // 10 s: less than the 30 s after which Kubernetes and the 90 s after
  // which systemd kill a process.
  drainTimeout: 10_000,
});

/** How often the daemon looks at its connections' deadlines, in ms: the precision of every wait above. */
export const TICK = 250;
