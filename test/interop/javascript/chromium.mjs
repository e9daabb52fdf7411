/**
 * The client of Chromium: a headless one of its own for each scenario, driven through its DevTools protocol over a
 * pipe. It ends when the pipe does, so none outlives this program, however that ends.
 *
 * The program is `$INTEROP_CHROMIUM`.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArguments, report } from './report.mjs';
import { runScenario } from './scenario.mjs';

/** The protocol's messages are JSON, each with a zero byte behind it, on descriptors 3 (in) and 4 (out). */
class DevTools {
  #child;
  #waiting = new Map();
  #last = 0;
  #unread = '';

  constructor(child) {
    this.#child = child;
    child.stdio[4].setEncoding('utf8').on('data', (text) => this.#receive(text));
    child.stdio[3].on('error', () => {}); // that it has ended is told by `exited`
    this.exited = new Promise((resolve) => child.on('exit', resolve));
  }

  call(method, params, sessionId) {
    const id = ++this.#last;
    this.#child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    const answer = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    const gone = this.exited.then((code) => {
      throw new Error(`Chromium ended with ${code} during ${method}`);
    });
    return Promise.race([answer, gone]);
  }

  async close() {
    this.#child.stdio[3].end();
    await this.exited;
  }

  #receive(text) {
    const messages = (this.#unread + text).split('\0');
    this.#unread = messages.pop();
    for (const { id, result, error } of messages.map((message) => JSON.parse(message))) {
      if (error) this.#waiting.get(id)?.reject(new Error(error.message));
      else this.#waiting.get(id)?.resolve(result);
    }
  }
}

const { command, url, compression, args } = parseArguments();
const profile = mkdtempSync(join(tmpdir(), 'websocksy-interop-'));
const flags = [
  '--headless',
  '--no-sandbox', // there is none for root, and it opens nothing but the daemon's address
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-component-update',
  '--no-first-run',
  '--remote-debugging-pipe',
  `--user-data-dir=${profile}`,
  'about:blank',
];
const stdio = ['ignore', 'ignore', 'inherit', 'pipe', 'pipe'];
const devtools = new DevTools(spawn(process.env['INTEROP_CHROMIUM'], flags, { stdio }));

async function evaluate(expression) {
  const { targetId } = await devtools.call('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await devtools.call('Target.attachToTarget', { targetId, flatten: true });
  const params = { expression, awaitPromise: true, returnByValue: true };
  const { result, exceptionDetails } = await devtools.call('Runtime.evaluate', params, sessionId);
  if (exceptionDetails) return { error: exceptionDetails.exception?.description ?? exceptionDetails.text };
  return result.value;
}

try {
  if (command === 'version') {
    const { product } = await devtools.call('Browser.getVersion', {});
    report({ version: product.replace(/^.*\//, '') });
  } else if (!['off', 'on'].includes(compression)) {
    report({ unsupported: 'its API does not choose parameters' });
  } else {
    const values = [command, args].map((value) => JSON.stringify(value)).join(', ');
    const connect = `(protocols) => new WebSocket(${JSON.stringify(url)}, protocols)`;
    report(await evaluate(`(${runScenario})(${connect}, ${values})`));
  }
} finally {
  await devtools.close();
  rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
}
