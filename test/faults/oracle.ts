/**
 * Knows what each side of a session must have received, and judges what it has. The rules are those of the table in
 * src/bridge.ts, docs/errors.md and docs/peers.md; where two things happen at once, either may have been first.
 */
import type { Client } from './client.ts';
import type { EndLine } from './daemon-under-test.ts';
import type { Plan } from './plan.ts';
import type { Peer } from './stream-peer.ts';
import { type DownStream, isDatagram, type UpStream } from './streams.ts';

/** How much of what was sent has to have arrived: `whole`, all but what has no end before the peer's. */
type Share = 'all' | 'whole' | 'prefix' | 'none';

/** One way in which a session may have gone. */
export interface Expectation {
  /** Of the log. */
  readonly why: string;
  /** HTTP; left out: 101. 0: no answer. `any`: that depends on who was first. */
  readonly status?: number | 'any';
  /** Of the daemon's Close; `none`: there is none. `empty`: one without a code. `any`: as for the status. */
  readonly close: number | 'empty' | 'none' | 'any';
  readonly up: Share;
  readonly down: Share;
}

/** What a session has come to. */
export interface Observation {
  readonly plan: Plan;
  readonly up: UpStream;
  readonly down: DownStream;
  readonly client: Client;
  /** Undefined: an echo, or nobody is there. */
  readonly peer: Peer | undefined;
  readonly line: EndLine;
}

/** Every way in which this session may go. */
export function expectations(plan: Plan, sent: number): Expectation[] {
  const echo = plan.peer === 'echo';
  const settled = plan.when === 'settled';
  // An echo has gone out before what ends the session is looked at.
  const down: Share = echo ? 'all' : settled ? 'whole' : 'prefix';
  const up: Share = settled ? 'all' : 'prefix';
  const closed: Expectation = { why: 'client-closed', close: plan.code ?? 'empty', up: 'all', down };
  const ended: Expectation = { why: 'client-vanished', close: 'none', up: 'all', down };
  const vanished: Expectation = {
    why: 'client-vanished',
    status: 'any',
    close: 'any',
    up: 'prefix',
    down: 'prefix',
  };
  const peerEnded: Expectation = { why: 'peer-closed', close: 1000, up, down: 'all' };
  const peerGone: Expectation = { ...peerEnded, up: 'prefix', down: 'prefix' };
  const peerFailed: Expectation = { why: 'peer-failed', close: 1011, up: 'prefix', down: 'prefix' };
  const undialled: Expectation = { why: 'dial-failed', status: 502, close: 'none', up: 'none', down: 'none' };
  const left: Expectation = { why: 'client-vanished', status: 0, close: 'none', up: 'none', down: 'none' };
  // Whose FIN is there before the peer is, and who has sent nothing before, has left.
  const early = finMayBeEarly(plan) && sent === 0 ? [left] : [];
  switch (plan.scenario) {
    case 'client closes':
      return [closed];
    case 'client ends without a Close':
      return [ended, ...early];
    case 'client resets':
    case 'client disappears':
      return [vanished];
    case 'client breaks a rule':
      return [{ ...closed, why: plan.rule.why, close: plan.rule.close }];
    case 'client sends too much for a datagram':
      return [{ ...closed, why: 'message-too-large', close: 1009 }];
    case 'peer ends':
      return [peerEnded];
    case 'peer accepts and ends':
      return [{ ...peerEnded, up: 'prefix' }];
    case 'peer breaks its framing':
      return [{ why: 'framing-failed', close: 1011, up: 'prefix', down: 'all' }];
    case 'peer resets':
    case 'peer accepts and resets': {
      // The reset may have overtaken the connect; a Unix socket has only its end, and a proxy may have passed on no more.
      return plan.peer === 'unix' || plan.peerProxy !== undefined
        ? [peerFailed, peerGone, undialled]
        : [peerFailed, undialled];
    }
    case 'peer disappears':
      // With everything read it looks like an end, else like a reset.
      return [peerFailed, peerGone, undialled];
    case 'both end at once': {
      const client = plan.leaves === 'fin' ? ended : closed;
      return [client, peerEnded, ...early];
    }
    case 'both vanish at once':
      return ['client-vanished', 'peer-failed', 'peer-closed', 'dial-failed'].map((why) => ({
        ...vanished,
        why,
      }));
    case 'peer refuses':
      // Of UDP nobody hears before something has been sent.
      return plan.peer === 'udp' ? [{ ...peerFailed, up: 'none', down: 'none' }] : [undialled];
    case 'peer does not answer':
      return [{ ...undialled, why: 'dial-timeout', status: 504 }];
    case 'client leaves in its head':
      return [left];
    case 'client leaves during the dial':
      // The peer may have been there already. Who ends its side behind early frames has not left: they are for the peer.
      return plan.early > 0
        ? [left, vanished, { ...undialled, why: 'dial-timeout', status: 'any' }]
        : [left, vanished];
    case 'client closes during the dial':
      return [{ ...closed, down: echo ? 'all' : 'prefix' }];
    case 'client sends a wrong request':
      return [{ ...undialled, why: plan.request.why, status: plan.request.status }];
  }
}

/** Whether the client's FIN may overtake the dial. */
function finMayBeEarly({ scenario, eager, when, leaves }: Plan): boolean {
  if (!eager) return false;
  if (scenario === 'client ends without a Close') return when !== 'settled';
  return scenario === 'both end at once' && when === 'sent' && leaves === 'fin';
}

/** What is wrong with it. None: it went in one of the ways in which it may. */
export function judge(observation: Observation): readonly string[] {
  const { client, peer } = observation;
  const always = [
    ...client.problems.slice(0, 3),
    ...(peer?.problems.slice(0, 3) ?? []),
    ...judgeCounts(observation),
  ];
  if (!client.left && client.ending !== 'FIN') always.push('the client did not get an orderly end');
  return expectations(observation.plan, observation.up.payload.length)
    .map((expectation) => [...always, ...compare(observation, expectation)])
    .reduce((least, some) => (some.length < least.length ? some : least));
}

function compare({ plan, client, peer, line, up, down }: Observation, expected: Expectation): string[] {
  const problems: string[] = [];
  const differs = (what: string, seen: unknown, wanted: unknown) => {
    if (seen !== wanted) problems.push(`${what} is ${seen}, not ${wanted}`);
  };
  const { status = 101, close } = expected;
  differs('why', line.fields.get('why'), expected.why);
  if (!client.left) {
    if (status !== 'any') differs('the HTTP status', client.status ?? 0, status);
    if (close !== 'any')
      differs('the Close', client.close === undefined ? 'none' : (client.close.code ?? 'empty'), close);
    problems.push(...missing('to the client', client.arrivals.seen, expected.down, down.good, down.whole));
  }
  if (plan.peer !== 'echo' && peer?.left !== true) {
    const { length } = up.payload;
    // One that was dialled for nobody is cut.
    if (peer?.reached && !isDatagram(plan) && status === 101 && peer.ending !== 'FIN')
      problems.push('the peer did not get an orderly end');
    problems.push(...missing('to the peer', peer?.arrivals.seen ?? 0, expected.up, length, length));
    if (expected.up === 'all' && status === 101)
      differs('up in the log', line.fields.get('up'), String(length));
  }
  return problems;
}

function missing(way: string, seen: number, share: Share, all: number, whole: number): string[] {
  const least = share === 'all' ? all : share === 'whole' ? whole : 0;
  if (seen < least) return [`${least - seen} of ${least} bytes ${way} are lost`];
  return share === 'none' && seen > 0 ? [`${seen} bytes ${way} where none can be`] : [];
}

/**
 * The log counts what was read: no less than what arrived, no more than what was sent. And to a side that was there until
 * the end all of it has gone that the log does not count as undelivered.
 */
function judgeCounts({ client, peer, line, up, down, plan }: Observation): string[] {
  const problems: string[] = [];
  const check = (name: string, arrived: number, sent: number, stayed: boolean) => {
    const counted = Number(line.fields.get(name) ?? 0);
    const undelivered = Number(line.fields.get(`undelivered-${name}`) ?? 0);
    // What still waited for the peer when its end, or what it said, ended the connection.
    const told = name === 'up' && ['peer-closed', 'framing-failed'].includes(line.fields.get('why')!);
    if (stayed && undelivered > 0 && !told)
      problems.push(`undelivered-${name}=${undelivered} to a side that took all there was`);
    else if (stayed && undelivered === 0 && counted !== arrived)
      problems.push(
        `the log has ${name}=${counted}, of which ${arrived} have arrived, and tells of none undelivered`,
      );
    if (counted < arrived || counted > sent)
      problems.push(`the log has ${name}=${counted}, where ${sent} were sent and ${arrived} have arrived`);
  };
  check(
    'up',
    peer?.arrivals.seen ?? 0,
    up.payload.length,
    peer !== undefined && !peer.left && peer.ending === 'FIN',
  );
  const most = plan.peer === 'echo' ? up.payload.length : down.bytes.length;
  check('down', client.arrivals.seen, most, !client.left && client.ending === 'FIN');
  return problems;
}
