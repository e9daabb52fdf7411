// load.c, compiled into a folder of its own, and its two ends as child processes that answer lines with counters.
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Compiles one of our C programs; undefined, with a word about it, where that does not work. */
export function compile(source, folder, name, say) {
  const program = join(folder, name);
  const run = spawnSync('cc', ['-O2', '-std=gnu11', '-o', program, source], { encoding: 'utf8' });
  if (run.status === 0) return program;
  say(`${name}.c was not compiled: ${run.error ? 'there is no C compiler (cc)' : run.stderr}`);
  return undefined;
}

/** One end of the load. Its first line says that it is ready; after it, each line of ours is answered by one of its. */
export class LoadEnd {
  #child;
  #waiting = [];
  #lines = [];
  #ended;

  constructor(program, ...words) {
    this.#child = spawn(program, words.map(String), { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdin.on('error', () => {}); // It has ended, and 'exit' tells it.
    this.#child.on('error', (error) => this.#deliver({ failed: error.message }));
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#deliver(JSON.parse(line)));
    this.#child.on('close', () => {
      this.#deliver({ failed: this.#ended ?? 'the load generator ended' });
    });
  }

  get pid() {
    return this.#child.pid;
  }

  #deliver(answer) {
    if (answer.failed !== undefined) this.#ended = answer.failed;
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#lines.push(answer);
    else waiting(answer);
  }

  /** The next line that it says; throws when it says what is wrong, or nothing for so many milliseconds. */
  async next(patience = 30_000) {
    if (this.#ended !== undefined) throw new Error(this.#ended);
    let timer;
    const silence = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`nothing came through for ${patience / 1000} s`)), patience);
    });
    const answer = new Promise((resolve) => {
      if (this.#lines.length > 0) resolve(this.#lines.shift());
      else this.#waiting.push(resolve);
    });
    try {
      const { failed, ...counters } = await Promise.race([answer, silence]);
      if (failed !== undefined) throw new Error(failed);
      return counters;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Its counters now. */
  async counters() {
    this.#child.stdin.write('\n');
    return this.next();
  }

  stop() {
    this.#child.kill('SIGKILL');
  }
}
