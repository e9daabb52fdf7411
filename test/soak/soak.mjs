// One soak: the daemon, its peers, traffic in cycles with a rest behind each, and what was seen.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { DIST, startDaemon, unforeseen } from '../load/daemon.mjs';
import { Inside } from './inside.mjs';
import { startPeers } from './peers.mjs';
import { different } from './quantities.mjs';
import { Random } from './random.mjs';
import { Traffic } from './traffic.mjs';

const HOOK = new URL('hook.mjs', import.meta.url).href;
/** s between two samples under traffic. */
const EVERY = 1;
/** Rests in a run; and the s of traffic before each, at least and at most. */
const RESTS = 40;
const CYCLE = { least: 1, most: 15 };
/** ms between two looks at a daemon that is to come to rest. */
const LOOK = 50;
/**
 * s that it may take to be as before: more than any wait that the daemon grants to a client or a peer. What has not come
 * back by then is lost, and is not waited for again.
 */
const PATIENCE = 60;
/** s without a word after which a client is sent a Ping, and again before it is dropped. */
const KEEPALIVE = 5;

/**
 * @param options `seconds`, `seed`, `kernel`, and for a proof `leak` and `patience`
 * @param say told of how far it is
 * @returns samples `{ at, … }` under traffic and at rest, the counts that did not come back, sessions, problems
 */
export async function soak({ seconds, seed, kernel = 'auto', leak, patience = PATIENCE }, say) {
  const folder = mkdtempSync(join(tmpdir(), 'websocksy-soak-'));
  const end = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', end);
  const inside = await Inside.listen(join(folder, 'channel'));
  const peers = await startPeers(folder);
  const daemon = await startDaemon({
    node: ['--expose-gc', '--import', HOOK],
    args: ['--kernel', kernel, '--compression', 'on', '-k', String(KEEPALIVE)],
    env: {
      WEBSOCKSY_SOAK_CHANNEL: join(folder, 'channel'),
      WEBSOCKSY_SOAK_DIST: pathToFileURL(DIST).href,
      ...(leak && { WEBSOCKSY_SOAK_LEAK: leak }),
    },
    log: join(folder, 'daemon.log'),
  });
  await inside.meet(daemon.pid);
  const traffic = new Traffic({ port: daemon.port, peers, random: new Random(seed) });
  await traffic.open();
  const run = new Run(inside, traffic, patience);
  await run.through(seconds, say);
  await traffic.close();
  daemon.signal('SIGTERM');
  const status = await daemon.exited;
  inside.close();
  const strange = unforeseen(daemon.log()).map(({ line }) => line);
  end();
  return {
    ...run.seen,
    long: traffic.long,
    counts: traffic.counts,
    problems: traffic.problems,
    status,
    strange,
  };
}

class Run {
  seen = { busy: [], rests: [], astray: {} };
  #inside;
  #traffic;
  #patience;
  #begun = performance.now();
  /** How it is at rest: what the first cycle leaves, in which what is made once is made. */
  #reference;

  constructor(inside, traffic, patience) {
    this.#inside = inside;
    this.#traffic = traffic;
    this.#patience = patience;
  }

  get #at() {
    return (performance.now() - this.#begun) / 1000;
  }

  async through(seconds, say) {
    const cycle = Math.min(CYCLE.most, Math.max(CYCLE.least, seconds / RESTS));
    while (this.#at < seconds) {
      await this.#work(Math.min(cycle, Math.max(CYCLE.least, seconds - this.#at)));
      const rest = await this.#rest();
      this.seen.rests.push(rest);
      say(
        `${Math.round(rest.at)} s, ${this.#traffic.sessions} sessions: heap ${rest.heapUsed}, external ${rest.external}, resident ${rest.rss}, ${rest.descriptors} descriptors`,
      );
    }
  }

  async #work(seconds) {
    const until = this.#at + seconds;
    this.#traffic.start();
    for (let left = seconds; left > 0; left = until - this.#at) {
      await sleep(Math.min(EVERY, left) * 1000);
      this.seen.busy.push({ at: this.#at, ...(await this.#inside.ask('sample')) });
    }
    await this.#traffic.rest();
  }

  /** Waits until it is as it was, and then looks at what is kept. */
  async #rest() {
    const given = this.#at;
    let now = await this.#inside.ask('sample');
    while (this.#at - given < this.#patience && this.#missing(now).length > 0) {
      await sleep(LOOK);
      now = await this.#inside.ask('sample');
    }
    for (const name of this.#missing(now)) {
      this.seen.astray[name] = {
        at: this.#at,
        before: this.#reference?.[name] ?? this.#known[name],
        now: now[name],
      };
    }
    const rest = { at: this.#at, ...(await this.#inside.ask('rest')) };
    this.#reference ??= rest;
    return rest;
  }

  /** What has to be there, before there is a first rest to compare with. */
  get #known() {
    return { connections: this.#traffic.long, slabs: 0 };
  }

  #missing(now) {
    const expected = this.#reference ?? { ...now, ...this.#known };
    return different(now, { ...expected, ...this.#known }).filter((name) => !(name in this.seen.astray));
  }
}
