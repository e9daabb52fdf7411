/**
 * What one session is to be: who its sides are, what they send and how, who goes wrong, and when. All of it follows from
 * the seed and the session's number.
 */
import { Random } from '../support/randomness.ts';
import { type Kind, mix } from './content.ts';
import { RULES, type Rule, WRONG_REQUESTS, type WrongRequest } from './rules.ts';

export type PeerKind = 'tcp' | 'unix' | 'echo' | 'udp' | 'unix-dgram';

export type FramingName = 'binary' | 'auto' | 'newline' | 'separator' | 'fixedlength' | 'dynamic32';

/** What makes the session the one that it is. The names are those of the summary. */
export type Scenario =
  | 'client closes'
  | 'client ends without a Close'
  | 'client resets'
  | 'client disappears'
  | 'client breaks a rule'
  | 'client sends too much for a datagram'
  | 'peer ends'
  | 'peer resets'
  | 'peer disappears'
  | 'peer breaks its framing'
  | 'both end at once'
  | 'both vanish at once'
  | 'peer refuses'
  | 'peer does not answer'
  | 'peer accepts and ends'
  | 'peer accepts and resets'
  | 'client leaves in its head'
  | 'client leaves during the dial'
  | 'client closes during the dial'
  | 'client sends a wrong request';

/** When who ends the session does so: `sent`, when its own part has been written; `seen`, when some of the other's has come. */
export type When = 'sent' | 'seen' | 'settled';

/** How a side writes and reads. */
export interface Manner {
  /** Writes are cut into so many pieces, anywhere. */
  readonly pieces: number;
  /** Little is written byte by byte. */
  readonly dribbles: boolean;
  /** Most ms between two pieces. */
  readonly pause: number;
  /** It stops reading after so much of what comes (a fraction) for so many ms. */
  readonly stall: { readonly after: number; readonly ms: number } | undefined;
}

/** Of a proxy between a side and the daemon. */
export interface Proxying {
  /** Most bytes of a piece. */
  readonly piece: number;
  /** Most ms between two pieces. */
  readonly pause: number;
}

export interface Plan {
  readonly seed: number;
  readonly index: number;
  readonly scenario: Scenario;
  readonly peer: PeerKind;
  readonly framing: FramingName;
  readonly framingConfig: string | undefined;
  readonly compression: boolean;
  readonly when: When;
  /** Of the other's bytes, with `seen`. */
  readonly fraction: number;
  readonly up: {
    readonly bytes: number;
    readonly kind: Kind;
    /** Longest message. */
    readonly message: number;
    readonly pings: number;
  };
  readonly down: { readonly bytes: number; readonly kind: Kind };
  /** Wire bytes that leave with the head, as a fraction of all; `eager`: the rest does not wait for the 101 either. */
  readonly early: number;
  readonly eager: boolean;
  /** The client's part ends within a frame: a fraction of its wire bytes. */
  readonly cut: number;
  readonly client: Manner;
  readonly peerManner: Manner;
  readonly clientProxy: Proxying | undefined;
  readonly peerProxy: Proxying | undefined;
  /** Of the client's Close. */
  readonly code: number | undefined;
  readonly reason: string;
  /** Its FIN follows at once. */
  readonly finToo: boolean;
  /** What the client does about the server's Close; `reset` is rude. */
  readonly clientAnswer: 'close' | 'fin' | 'reset';
  /** What the peer does about the daemon's FIN. */
  readonly peerAnswer: 'end' | 'finish' | 'reset';
  readonly rule: Rule;
  readonly request: WrongRequest;
  /** Where the client leaves in its head, as a fraction of it. */
  readonly headCut: number;
  /** How it leaves. */
  readonly leaves: 'fin' | 'reset';
  /** The answer about where the peer is waits for the test. */
  readonly gated: boolean;
  /** How long, in ms, once the client has done its part. */
  readonly gate: number;
}

/** How often what comes up, for each kind of peer. */
const STREAM_SCENARIOS: readonly (readonly [Scenario, number])[] = [
  ['client closes', 16],
  ['client ends without a Close', 12],
  ['client resets', 5],
  ['client disappears', 5],
  ['client breaks a rule', 10],
  ['peer ends', 16],
  ['peer resets', 6],
  ['peer disappears', 6],
  ['peer breaks its framing', 3],
  ['both end at once', 8],
  ['both vanish at once', 3],
  ['peer refuses', 3],
  ['peer accepts and ends', 3],
  ['peer accepts and resets', 3],
  ['client leaves in its head', 3],
  ['client leaves during the dial', 5],
  ['client closes during the dial', 6],
  ['client sends a wrong request', 2],
];
const RARE: readonly (readonly [Scenario, number])[] = [['peer does not answer', 0.4]];
const ECHO_SCENARIOS = STREAM_SCENARIOS.filter(
  ([scenario]) => scenario.startsWith('client') && scenario !== 'client leaves in its head',
);
const DATAGRAM_SCENARIOS: readonly (readonly [Scenario, number])[] = [
  ...ECHO_SCENARIOS,
  ['client sends too much for a datagram', 6],
  ['peer refuses', 6],
];

/** RFC 6455 §7.4: what a client may send. */
const CODES = [undefined, 1000, 1000, 1001, 1002, 1003, 1007, 1011, 3000, 4999];
const SIZES: readonly (readonly [most: number, weight: number])[] = [
  [0, 12],
  [300, 40],
  [20_000, 28],
  [300_000, 16],
  [3_000_000, 4],
];
const PLAIN: Manner = { pieces: 1, dribbles: false, pause: 0, stall: undefined };

/** @param unixDatagrams whether there are such peers */
export function drawPlan(seed: number, index: number, unixDatagrams: boolean): Plan {
  const random = new Random(mix(seed, index));
  const datagrams: readonly (readonly [PeerKind, number])[] = unixDatagrams ? [['unix-dgram', 6]] : [];
  const peer = weighed<PeerKind>(random, [['tcp', 45], ['unix', 30], ['echo', 12], ['udp', 8], ...datagrams]);
  const stream = peer === 'tcp' || peer === 'unix';
  const scenarios =
    peer === 'tcp'
      ? [...STREAM_SCENARIOS, ...RARE]
      : stream
        ? STREAM_SCENARIOS
        : peer === 'echo'
          ? ECHO_SCENARIOS
          : DATAGRAM_SCENARIOS;
  const scenario = weighed(random, scenarios);
  const framing = !stream
    ? 'binary'
    : scenario === 'peer breaks its framing'
      ? 'dynamic32'
      : random.pick([
          'binary',
          'binary',
          'auto',
          'newline',
          'separator',
          'fixedlength',
          'dynamic32',
        ] as const);
  const datagram = peer === 'udp' || peer === 'unix-dgram';
  // What waits in a socket's buffer for datagrams is bounded: no more than that is ever under way.
  const size = () => (datagram ? random.int(1, random.pick([300, 20_000])) : drawSize(random));
  const compression = random.next() < 0.25;
  const up = {
    bytes: size(),
    kind: random.pick(['binary', 'binary', 'text', 'sparse'] as const),
    message: random.pick([8, 125, 126, 4_000, 70_000, 300_000]),
    pings: random.next() < 0.3 ? random.int(1, 5) : 0,
  };
  const both = scenario.startsWith('both');
  const gated = scenario.endsWith('during the dial');
  return {
    seed,
    index,
    scenario,
    peer,
    framing,
    framingConfig: drawFramingConfig(framing, random),
    compression,
    when: both
      ? random.pick(['sent', 'settled'] as const)
      : random.pick(['sent', 'sent', 'seen', 'settled'] as const),
    fraction: random.next(),
    up,
    down: { bytes: scenario.startsWith('peer accepts') ? 0 : size(), kind: downKind(framing, random) },
    // Before the answer nothing is agreed on, so nothing may be compressed.
    early: compression ? 0 : random.pick([0, 0, 0, random.next() * random.next(), 1]),
    eager: !compression && random.next() < 0.3,
    cut: random.next() < 0.5 ? 1 : random.next(),
    client: drawManner(random),
    peerManner: drawManner(random),
    clientProxy: random.next() < 0.5 ? drawProxying(random) : undefined,
    peerProxy: stream && random.next() < 0.4 ? drawProxying(random) : undefined,
    code: random.pick(CODES),
    reason: random.pick(['', 'bye', 'grüß Gott', 'x'.repeat(123)]),
    finToo: random.next() < 0.3,
    clientAnswer: random.pick(['close', 'close', 'close', 'fin', 'reset'] as const),
    peerAnswer: random.pick(['end', 'end', 'finish', 'reset'] as const),
    rule: random.pick(
      RULES.filter(({ only }) => only === undefined || (only === 'compressed') === compression),
    ),
    request: random.pick(WRONG_REQUESTS),
    headCut: random.next(),
    leaves: random.pick(['fin', 'reset'] as const),
    gated: gated && random.next() < 0.7,
    gate: random.int(0, 60),
  };
}

/** What happens in it, for a person to read. */
export function describe(plan: Plan): string {
  const { up, down, client, peerManner } = plan;
  const manner = ({ pieces, dribbles, pause, stall }: Manner) =>
    [
      dribbles ? 'byte by byte' : `${pieces} pieces`,
      pause > 0 ? `up to ${pause} ms between` : '',
      stall === undefined ? '' : `stalls ${stall.ms} ms at ${percent(stall.after)}`,
    ]
      .filter((part) => part !== '')
      .join(', ');
  const proxy = (proxying: Proxying | undefined) =>
    proxying === undefined ? 'direct' : `by a proxy, pieces of up to ${proxying.piece}, ${proxying.pause} ms`;
  const framing = plan.framingConfig === undefined ? plan.framing : `${plan.framing} (${plan.framingConfig})`;
  return [
    `${plan.scenario}, ${plan.when === 'seen' ? `having seen ${percent(plan.fraction)}` : plan.when}`,
    `peer ${plan.peer}, ${proxy(plan.peerProxy)}; framing ${framing}; ${plan.compression ? 'compressed' : 'plain'}`,
    `client: ${up.bytes} bytes ${up.kind} in messages of up to ${up.message}, ${up.pings} Pings, ${percent(plan.early)} early` +
      `${plan.eager ? ', eager' : ''}, to ${percent(plan.cut)}; ${manner(client)}; ${proxy(plan.clientProxy)}`,
    `peer: ${down.bytes} bytes ${down.kind}; ${manner(peerManner)}`,
    `Close ${plan.code ?? 'empty'}${plan.finToo ? ' and FIN' : ''}; answers: client ${plan.clientAnswer}, peer ${plan.peerAnswer};` +
      ` rule ${plan.rule.why}; request ${plan.request.why}; leaves by ${plan.leaves}${plan.gated ? `, gate ${plan.gate} ms` : ''}`,
  ].join('\n    ');
}

function percent(fraction: number): string {
  return `${(fraction * 100).toFixed(1)} %`;
}

function weighed<T>(random: Random, choices: readonly (readonly [T, number])[]): T {
  let at = random.next() * choices.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [choice, weight] of choices) {
    at -= weight;
    if (at < 0) return choice;
  }
  return choices.at(-1)![0];
}

function drawSize(random: Random): number {
  return random.int(0, weighed(random, SIZES));
}

function drawManner(random: Random): Manner {
  if (random.next() < 0.3) return PLAIN;
  return {
    pieces: random.pick([1, 2, 5, 20, 60]),
    dribbles: random.next() < 0.2,
    pause: random.pick([0, 0, 1, 4]),
    stall:
      random.next() < 0.35 ? { after: random.pick([0, random.next()]), ms: random.int(1, 300) } : undefined,
  };
}

function drawProxying(random: Random): Proxying {
  return { piece: random.pick([1, 3, 20, 1_460, 20_000, 70_000]), pause: random.pick([0, 0, 1, 3]) };
}

function downKind(framing: FramingName, random: Random): Kind {
  if (framing === 'newline') return 'lines';
  return random.pick(
    framing === 'auto' ? (['binary', 'text'] as const) : (['binary', 'text', 'sparse'] as const),
  );
}

function drawFramingConfig(framing: FramingName, random: Random): string | undefined {
  switch (framing) {
    case 'newline':
      return 'lf';
    case 'separator':
      return '\\x00';
    case 'fixedlength':
      return String(random.pick([random.int(300, 3_000), random.int(1_000, 100_000)]));
    case 'dynamic32':
      // The value counts itself, too.
      return `endian=${random.pick(['little', 'big'])},static=-4`;
    default:
      return undefined;
  }
}
