// `npm run load`: thousands of honest clients, some busy, beside clients that dribble their request head and clients that
// flood, all at once, on the built daemon. Every honest client has to be served, and nothing may be lost; with `--stop`
// the daemon is told to stop in the middle of it. Nothing is judged by how fast it was. Linux.
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { memory, mostFiles } from '../../bench/proc.mjs';
import { shareOf } from '../../dist/src/descriptors.js';
import { startDaemon, unforeseen } from './daemon.mjs';
import { disturbed, endings, lost, notDelivered, some } from './oracle.mjs';
import { digits, mib, Verdict } from './verdict.mjs';
import { Worker } from './worker.mjs';

const USAGE = `npm run load -- [options]

  --connections N    honest clients; 10000 by default
  --busy N           of them ask all the time; 1000 by default
  --slow N           clients that dribble their request head; 500 by default
  --floods N         clients that flood; 100 by default
  --seconds S        at least so long; 20 by default. It also lasts until each busy client was answered a few times
  --stop             SIGTERM in the middle of it
  --daemon-arg ARG   one more argument of the daemon's; may be repeated
  --help
`;

/** Files that the daemon sets aside for a flood, and for the next one that takes its place before it is gone. */
const FILES_OF_A_FLOOD = 4;
/** And for a client that has not asked yet: its peer's, too. */
const FILES_OF_A_HEAD = 2;
/** Exchanges that each busy client must have had before the load may end. */
const FEWEST = 3;
/** s that the daemon may take to flush: more than it needs, on whatever machine; who reads nothing is cut then. */
const drain = (connections) => Math.ceil(10 + connections / 200);
/** min after which it hangs, however slow the machine is. */
const PATIENCE = 60;
/** More honest clients than are ever opened at a time. */
const ON_THEIR_WAY = 300;
/** Share of the honest clients that come when slow heads and floods are there. */
const LATE = 0.02;

const say = (line) => process.stderr.write(`load: ${line}\n`);

/**
 * As many honest clients as descriptors allow have a TCP peer, which is a second one; the others have the echo in the
 * daemon. What comes in between is not let in for lack of a second one, so a few are left over for those on their way.
 */
function tcpConnections({ connections, slow, floods }) {
  const hostile = FILES_OF_A_FLOOD * floods + FILES_OF_A_HEAD * slow;
  const left = shareOf(mostFiles()) - hostile - connections - ON_THEIR_WAY;
  return Math.max(0, Math.min(connections, left));
}

class Load {
  #options;
  #verdict = new Verdict();
  #peer = new Worker(new URL('peer.mjs', import.meta.url));
  #crowd = new Worker(new URL('crowd.mjs', import.meta.url));
  #hostile = new Worker(new URL('hostile.mjs', import.meta.url));
  #daemon;
  /** Resolves with how many slow heads got which status. */
  #slowHeads;
  /** The most memory that the daemon was seen to have. */
  #peak = 0;

  constructor(options) {
    this.#options = options;
  }

  async run(folder) {
    const { connections, slow, stop, daemonArgs } = this.#options;
    this.#daemon = await startDaemon({
      args: ['--drain', String(drain(connections)), '-k', '30', ...daemonArgs],
      log: join(folder, 'daemon.log'),
    });
    const watch = setInterval(() => this.#look(), 500);
    const verdict = this.#verdict;
    const failures = await this.#openAll();
    verdict.check(
      `each of ${connections} honest clients was opened and answered`,
      failures.length === 0,
      some(failures),
    );
    await this.#workForAWhile();
    if (stop) {
      await this.#stopInTheMiddle();
    } else {
      const statuses = await this.#slowHeads;
      const all = JSON.stringify(statuses) === JSON.stringify(slow > 0 ? { 408: slow } : {});
      verdict.check(`each of ${slow} slow heads was answered with 408`, all, JSON.stringify(statuses));
      await this.#finishInOrder();
    }
    clearInterval(watch);
    await this.#judgeLog();
    for (const worker of [this.#crowd, this.#hostile, this.#peer]) worker.end();
    return verdict;
  }

  #look() {
    this.#peak = Math.max(this.#peak, memory(this.#daemon.pid).rss);
  }

  /** Most of the honest clients, then slow heads and floods, and with those there the rest. */
  async #openAll() {
    const { connections, busy, slow, floods } = this.#options;
    const { port } = this.#daemon;
    const tcp = tcpConnections(this.#options);
    const peerPort = await this.#peer.ask('listen');
    this.#verdict.figure('honest clients', digits(connections));
    this.#verdict.figure('of them with a TCP peer, busy', `${digits(tcp)}, ${digits(busy)}`);
    if (tcp < busy)
      throw new Error(`${busy} busy clients need more open files: raise "ulimit -Hn", ${mostFiles()}`);
    const plan = { port, peerPort, busy, echoFrom: tcp };
    const early = Math.floor(connections * (1 - LATE));
    const failures = await this.#crowd.ask('open', { ...plan, from: 0, to: early });
    say(`${early} clients are open`);
    // Not waited for here: it takes as long as the daemon lets them dribble.
    this.#slowHeads = this.#hostile.ask('slow', { slow, port });
    await this.#hostile.ask('flood', { floods, port, peerPort });
    failures.push(...(await this.#crowd.ask('open', { ...plan, from: early, to: connections })));
    say(`${connections} clients are open`);
    return failures;
  }

  async #workForAWhile() {
    const { seconds, busy } = this.#options;
    await this.#crowd.ask('work');
    await sleep(seconds * 1000);
    while (busy > 0 && this.#daemon.running && (await this.#crowd.ask('fewest')) < FEWEST) await sleep(200);
    this.#look();
    this.#verdict.figure('descriptors of the daemon, all at once', digits(this.#daemon.openFiles));
    this.#verdict.figure('memory of the daemon, all at once', mib(memory(this.#daemon.pid).rss));
  }

  async #finishInOrder() {
    const { connections } = this.#options;
    await this.#crowd.ask('rest');
    const failures = await this.#crowd.ask('exchange');
    this.#verdict.check(
      `each of ${connections} honest clients is still answered`,
      failures.length === 0,
      some(failures),
    );
    this.#tellFloods(await this.#hostile.ask('end'));
    await this.#crowd.ask('close');
    this.#daemon.signal('SIGTERM');
    const status = await this.#daemon.exited;
    this.#verdict.check('the daemon lived, and ended with status 0 when told to', status === 0, status);
    const { clients, peers } = await this.#reports();
    this.#judgeCloses(clients, peers, 1000);
    const wrong = lost(clients, peers);
    this.#verdict.check('no byte was lost, either way', wrong.length === 0, some(wrong));
  }

  async #stopInTheMiddle() {
    const begun = performance.now();
    this.#daemon.signal('SIGTERM');
    await this.#hostile.ask('calm');
    await this.#crowd.ask('closed');
    this.#verdict.figure(
      'from SIGTERM to the last honest end',
      `${digits((performance.now() - begun) / 1000)} s`,
    );
    const status = await this.#daemon.exited;
    this.#verdict.check('the daemon ended with status 0', status === 0, status);
    await this.#slowHeads;
    this.#tellFloods(await this.#hostile.ask('end'));
    const { clients, peers } = await this.#reports();
    this.#judgeCloses(clients, peers, 1001);
    const lines = endings(this.#daemon.log());
    const wrong = notDelivered(clients, peers, lines);
    this.#verdict.check(
      'all that the daemon had taken was delivered, either way',
      wrong.length === 0,
      some(wrong),
    );
    const held = clients.filter(({ kind }) => kind === 'held');
    const cut = lost(held, peers);
    this.#verdict.check('what held clients had exchanged is whole', cut.length === 0, some(cut));
    this.#judgeCut();
  }

  async #reports() {
    const [{ clients, waits }, peers] = await Promise.all([
      this.#crowd.ask('report'),
      this.#peer.ask('report'),
    ]);
    const sum = (list, of) => digits(list.reduce((total, one) => total + of(one), 0));
    const at = (share) => `${digits(waits[Math.floor((waits.length - 1) * share)] ?? 0)} ms`;
    this.#verdict.figure('requests of honest clients that were answered', digits(waits.length));
    this.#verdict.figure('answer, median, 99 of 100, slowest', `${at(0.5)}, ${at(0.99)}, ${at(1)}`);
    this.#verdict.figure(
      'bytes that clients got, peers got',
      `${sum(clients, (one) => one.got)}, ${sum(peers, (one) => one.got)}`,
    );
    this.#verdict.figure('memory of the daemon, most', mib(this.#peak));
    return { clients, peers };
  }

  #judgeCloses(clients, peers, code) {
    const { connections } = this.#options;
    const others = clients
      .filter((one) => one.code !== code)
      .map((one) => `${one.id}: ${one.code ?? 'none'}`);
    this.#verdict.check(
      `each of ${connections} honest clients got Close ${code}`,
      others.length === 0,
      some(others),
    );
    const wrong = disturbed(clients, peers);
    this.#verdict.check(
      'each of them and each peer saw the right bytes, and an orderly end',
      wrong.length === 0,
      some(wrong),
    );
  }

  #tellFloods(counts) {
    for (const [kind, { connections, bytes }] of Object.entries(counts))
      this.#verdict.figure(`flood: ${kind}`, `${digits(connections)} connections, ${mib(bytes)}`);
  }

  /** Those that read nothing had to be cut. What they did not get is told where some was left in the daemon. */
  #judgeCut() {
    const log = this.#daemon.log();
    const cut = Number(log.find(({ event }) => event === 'cut')?.fields.connections ?? 0);
    const left = log.filter(({ event, fields }) => event === 'closed' && 'undelivered-down' in fields);
    const bytes = left.reduce((sum, { fields }) => sum + Number(fields['undelivered-down']), 0);
    const honest = left.filter(({ fields }) => !fields.target.includes('flood'));
    this.#verdict.figure(
      'cut; connections with bytes left, and bytes',
      `${cut}; ${left.length}, ${digits(bytes)}`,
    );
    this.#verdict.check(
      'the log tells how many were cut and what was left: only of floods',
      honest.length === 0 && (cut > 0 || this.#options.floods < FLOOD_KINDS),
      `${cut} cut, ${honest.length} honest`,
    );
  }

  async #judgeLog() {
    const strange = unforeseen(this.#daemon.log());
    this.#verdict.check(
      'the log tells of nothing unforeseen',
      strange.length === 0,
      some(strange.map(({ line }) => line)),
    );
  }
}

/** Of hostile.mjs: with so many floods there is one of each kind. */
const FLOOD_KINDS = 6;

function options() {
  const number = (fallback) => ({ type: 'string', default: String(fallback) });
  const { values } = parseArgs({
    options: {
      connections: number(10_000),
      busy: number(1_000),
      slow: number(500),
      floods: number(100),
      seconds: number(20),
      stop: { type: 'boolean', default: false },
      'daemon-arg': { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', default: false },
    },
  });
  const numbers = {};
  for (const name of ['connections', 'busy', 'slow', 'floods', 'seconds']) {
    numbers[name] = Number(values[name]);
    if (!(numbers[name] >= 0)) throw new Error(`--${name}: "${values[name]}" is no number`);
  }
  if (numbers.busy > numbers.connections) throw new Error('--busy: more than there are --connections');
  return { ...numbers, stop: values.stop, help: values.help, daemonArgs: values['daemon-arg'] };
}

let chosen;
try {
  chosen = options();
} catch (error) {
  process.stderr.write(`load: ${error.message}\n\n${USAGE}`);
  process.exit(2);
}
if (chosen.help) {
  process.stdout.write(USAGE);
} else {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));
  const folder = mkdtempSync(join(tmpdir(), 'websocksy-load-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const hangs = () => {
    say('it hangs');
    process.exit(1);
  };
  setTimeout(hangs, PATIENCE * 60_000).unref();
  const verdict = await new Load(chosen).run(folder);
  process.stdout.write(verdict.text());
  if (verdict.failed > 0) {
    const kept = join(tmpdir(), `websocksy-load-${process.pid}.log`);
    copyFileSync(join(folder, 'daemon.log'), kept);
    say(`the log of the daemon: ${kept}`);
  }
  process.exit(verdict.failed > 0 ? 1 : 0);
}
