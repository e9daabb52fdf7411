// All kinds of sessions at once, over and over, with pauses in which every one of them is over and only the connections
// that stay are there.
import { setTimeout as sleep } from 'node:timers/promises';
import { longOnes, SESSIONS } from './sessions.mjs';

/** ms between a session and the next one of its kind, at most: the rate is to hang less on how busy the machine is. */
const BREATH = 400;
/** ms between two words of a connection that stays, at most. */
const SILENCE = 200;
/** ms that a session may take: one that hangs is a finding, however slow the machine is. */
const PATIENCE = 120_000;

export class Traffic {
  /** Sessions by kind. */
  counts = {};
  /** What was not as it has to be, in sentences. */
  problems = [];
  #world;
  #long = [];
  #running = [];
  #resting = true;
  #beginRest;

  constructor({ port, peers, random }) {
    this.#world = { port, peers, random };
  }

  /** Opens those that stay. */
  async open() {
    this.#long = await longOnes(this.#world);
  }

  /** How many stay. */
  get long() {
    return this.#long.length;
  }

  /** Sessions in all. */
  get sessions() {
    return Object.values(this.counts).reduce((sum, one) => sum + one, 0);
  }

  start() {
    this.#resting = false;
    this.#world.rest = new Promise((resolve) => {
      this.#beginRest = resolve;
    });
    for (const [session, number] of SESSIONS)
      for (let i = 0; i < number; i += 1)
        this.#running.push(this.#repeat(session.name, BREATH, () => session(this.#world)));
    for (const { say } of this.#long) this.#running.push(this.#repeat('long', SILENCE, say));
  }

  /** Resolves when nothing is under way any more. */
  async rest() {
    this.#resting = true;
    this.#beginRest?.();
    await Promise.all(this.#running);
    this.#running = [];
  }

  /** Closes those that stay. */
  async close() {
    for (const { one } of this.#long) one.close(1000);
    await Promise.all(this.#long.map(({ one }) => one.closed));
  }

  async #repeat(name, breath, session) {
    while (!this.#resting) {
      const late = AbortSignal.timeout(PATIENCE);
      const hangs = new Promise((_resolve, reject) => {
        late.onabort = () => reject(new Error('it does not end'));
      });
      try {
        await Promise.race([session(), hangs]);
        this.counts[name] = (this.counts[name] ?? 0) + 1;
      } catch (error) {
        this.problems.push(`${name}: ${error.message}`);
      }
      late.onabort = null;
      await sleep(this.#world.random.int(0, breath));
    }
  }
}
