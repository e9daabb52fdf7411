/**
 * Every default bound, beside its reason. Times are in milliseconds, sizes in bytes.
 *
 * The engine and the transports get the values that concern them handed in; nothing reads this file behind a caller's
 * back, so that a test, or one day an option, can set each of them.
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
  /** Time that a backend may take to choose the peer. 0: no limit. */
  readonly queryTimeout: number;
  /** Time from the start of a dial, name look-up included, to the connected peer. */
  readonly dialTimeout: number;
  /** Time that the client may take to answer our Close, and either side to answer our FIN. */
  readonly closeTimeout: number;
  /** Time that a write may stay without any progress. 0: no limit. */
  readonly stallTimeout: number;
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
  // 5 s: a backend that asks another service should have heard from it, and the client still waits.
  queryTimeout: 5_000,
  // 10 s: three SYNs (at 0, 1 and 3 s) to one address, with time left for a second one.
  dialTimeout: 10_000,
  // 30 s, as `ws` has it: a side that is alive answers within a few round trips, but may be busy with what it still has
  // to read, and is reset if it writes after we have given up. curl never answers.
  closeTimeout: 30_000,
  // 5 min: longer than any pause that is not a dead program (a debugger, a laptop that wakes up).
  stallTimeout: 300_000,
  // 0: whoever stops a daemon mostly waits for it.
  drainWait: 0,
  // 10 s: less than the 30 s after which Kubernetes and the 90 s after
  // which systemd kill a process.
  drainTimeout: 10_000,
});

/** How often the daemon looks at its connections' deadlines, in ms: the precision of every wait above. */
export const TICK = 250;
