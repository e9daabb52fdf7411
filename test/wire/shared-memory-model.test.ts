/**
 * Many connections of all kinds, and a long random sequence of what may happen to them: sides send, stall, go on, close
 * and vanish, others come in their place. In the end every byte has arrived at its own other end, and nowhere else.
 *
 * The sequence follows from the seed: `TEST_SEED=123` repeats it, `TEST_STEPS=100000` makes it longer.
 */
import { test } from 'vitest';
import { Exchange } from '../support/exchange.ts';
import type { Link, LinkOptions } from '../support/link.ts';
import { Random, SEED } from '../support/randomness.ts';

const STEPS = Number(process.env['TEST_STEPS'] ?? 2_500);
const LINKS = 60;
/** What is sent over one link in each direction, at most: what may be pending at the same time is bounded by it. */
const MOST = 1_500_000;
/** A side that stalls is noticed by the daemon once so many bytes wait for it; shorter pieces rarely fill anything. */
const BURST = 400_000;

function randomOptions(random: Random): LinkOptions {
  const peer = random.pick(['unix', 'unix', 'unix', 'tcp', 'echo'] as const);
  const up = random.pick(['binary', 'text', 'lines', 'sparse'] as const);
  const framing = random.pick(['binary', 'auto', 'newline'] as const);
  const down = framing === 'newline' ? 'lines' : random.pick(['binary', 'text', 'sparse'] as const);
  const compression = random.int(1, 5) === 1;
  // Early frames go out before anything is agreed on.
  return { peer, up, framing, down, compression, early: random.int(0, 1) * random.int(1, 30_000) };
}

class Model {
  readonly #exchange: Exchange;
  readonly #random: Random;
  readonly #links: Link[] = [];

  constructor(exchange: Exchange, random: Random) {
    this.#exchange = exchange;
    this.#random = random;
  }

  async begin(): Promise<void> {
    while (this.#links.length < LINKS) this.#links.push(await this.#newcomer());
  }

  /** One thing happens to one link. */
  async step(): Promise<void> {
    const random = this.#random;
    const at = random.int(0, this.#links.length - 1);
    const link = this.#links[at]!;
    const choice = random.int(1, 100);
    const length = random.int(1, random.pick([20, 2_000, 50_000, BURST]));
    if (choice <= 35) {
      if (link.up.sent + length <= MOST) link.sendUp(length, { pings: random.int(0, 2) });
    } else if (choice <= 65) {
      if (!link.echoes && link.down.sent + length <= MOST) link.sendDown(length);
    } else if (choice <= 73) {
      link.client.pause();
    } else if (choice <= 80) {
      if (!link.echoes) link.peer.pause();
    } else if (choice <= 94) {
      resume(link);
    } else if (choice <= 96) {
      // Behind what is pending on either side.
      link.close(random.pick(['client', 'peer']));
      resume(link);
      this.#links[at] = await this.#newcomer();
    } else if (choice <= 98) {
      // Often while its peer does not read.
      if (link.echoes) return;
      link.breakRule(random.int(1, 60_000));
      resume(link);
      this.#links[at] = await this.#newcomer();
    } else {
      link.vanish(random.pick(['client', 'peer']));
      this.#links[at] = await this.#newcomer();
    }
  }

  #newcomer(): Promise<Link> {
    return this.#exchange.open(1, randomOptions(this.#random)).then(([link]) => link!);
  }
}

function resume(link: Link): void {
  link.client.resume();
  if (!link.echoes) link.peer.resume();
}

test(`${STEPS} random steps of ${LINKS} connections lose and mix up nothing, seed ${SEED}`, async () => {
  const random = new Random(SEED);
  await using exchange = await Exchange.start('unix', random, ['--compression', 'on']);
  const model = new Model(exchange, random);
  await model.begin();
  for (let step = 1; step <= STEPS; step += 1) {
    await model.step();
    // So that the daemon keeps up with it, more or less.
    if (step % 10 === 0) await exchange.turn();
  }
  for (const link of exchange.links) resume(link);
  await exchange.settle(exchange.links.filter(({ closedBy }) => closedBy === undefined));
  await exchange.closeAll();
}, 180_000);
