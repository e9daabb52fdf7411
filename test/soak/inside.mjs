// The soak's end of the channel to hook.mjs: asks the daemon for what only it knows, and looks at the rest in /proc.
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { memory } from '../../bench/proc.mjs';

export class Inside {
  #server;
  #connected;
  #socket;
  #lines;
  #pid;

  /** @param path of a Unix socket that the hook will connect to */
  static async listen(path) {
    const server = createServer().listen(path);
    await once(server, 'listening');
    return new Inside(server);
  }

  constructor(server) {
    this.#server = server;
    this.#connected = once(server, 'connection');
  }

  /** The daemon of this id has been started. */
  async meet(pid) {
    this.#pid = pid;
    [this.#socket] = await this.#connected;
    this.#socket.on('error', () => {});
    this.#lines = createInterface({ input: this.#socket })[Symbol.asyncIterator]();
  }

  /** @param what `sample`, or `rest`: after garbage has been collected */
  async ask(what) {
    this.#socket.write(`${what}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('the daemon has ended');
    const { rss } = memory(this.#pid);
    const told = JSON.parse(value);
    const descriptors = readdirSync(`/proc/${this.#pid}/fd`).length;
    return { ...told, rss, native: rss - told.heapResident, descriptors };
  }

  close() {
    this.#socket?.destroy();
    this.#server.close();
  }
}
