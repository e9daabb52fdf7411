// A program of ours as a child process that is asked to do things, by name, and answers when they are done.
import { fork } from 'node:child_process';

export class Worker {
  #child;
  #asked = new Map();
  #lastNumber = 0;
  #name;

  /** @param url of the program, which calls `answer` */
  constructor(url) {
    this.#name = url.pathname.split('/').at(-1);
    this.#child = fork(url, { serialization: 'advanced', stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child.on('message', ({ number, result, error }) => {
      const { resolve, reject } = this.#asked.get(number);
      this.#asked.delete(number);
      if (error === undefined) resolve(result);
      else reject(new Error(`${this.#name}: ${error}`));
    });
    this.#child.on('exit', (code, signal) => {
      for (const { reject } of this.#asked.values())
        reject(new Error(`${this.#name} ended with ${code ?? signal}`));
      this.#asked.clear();
    });
    process.once('exit', () => this.#child.kill('SIGKILL'));
  }

  ask(what, options = {}) {
    this.#lastNumber += 1;
    const number = this.#lastNumber;
    this.#child.send({ number, what, options });
    return new Promise((resolve, reject) => this.#asked.set(number, { resolve, reject }));
  }

  end() {
    this.#child.kill('SIGKILL');
  }
}

/** In the child: what it can be asked for. It ends with its parent. */
export function answer(actions) {
  process.on('message', async ({ number, what, options }) => {
    try {
      process.send({ number, result: await actions[what](options) });
    } catch (error) {
      process.send({ number, error: error.stack ?? String(error) });
    }
  });
  process.on('disconnect', () => process.exit());
}
