/**
 * A private Redis server from the PATH: on a free port of 127.0.0.1, without persistence, in a temporary folder.
 *
 * It has started when it answers PING. Where `redis-server` is missing the start rejects and says what to install;
 * nothing is ever skipped. `connect` gives a direct TCP client, the second opinion that no bridge touches.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect as connectTcp, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { RespClient } from './resp.ts';

/** From spawn to the first PONG, in milliseconds; a loaded machine takes a second or two. */
const START_DEADLINE = 60_000;

export interface DirectClient extends RespClient {
  disconnect(): void;
}

export interface RedisServer {
  readonly port: number;
  connect(): Promise<DirectClient>;
  stop(): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function connect(port: number): Promise<DirectClient> {
  const socket = connectTcp(port, '127.0.0.1');
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  const chunks = socket[Symbol.asyncIterator]();
  const client = new RespClient({
    write: (bytes) => socket.write(bytes),
    read: async () => {
      const { done, value } = await chunks.next();
      return done ? null : (value as Buffer);
    },
  });
  return Object.assign(client, { disconnect: () => void socket.destroy() });
}

/** Resolves with PONG; rejects if the server ends first, or takes too long. */
async function answersPing(port: number, failure: () => Error | undefined): Promise<void> {
  const deadline = Date.now() + START_DEADLINE;
  for (;;) {
    try {
      const client = await connect(port);
      const pong = await client.command('PING').finally(() => client.disconnect());
      if (pong === 'PONG') return;
    } catch (refused) {
      if (Date.now() > deadline) throw refused;
    }
    const failed = failure();
    if (failed) throw failed;
    await delay(20);
  }
}

export async function startRedis(): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), 'websocksy-redis-'));
  const port = await freePort();
  const args = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--dir',
    folder,
    '--save',
    '',
    '--appendonly',
    'no',
  ];
  // LC_ALL: Redis does not start under a locale that the machine lacks.
  const child: ChildProcess = spawn('redis-server', [...args, '--daemonize', 'no'], {
    env: { ...process.env, LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let failure: Error | undefined;
  const collect = (text: string) => {
    output += text;
  };
  child.stdout?.setEncoding('utf8').on('data', collect);
  child.stderr?.setEncoding('utf8').on('data', collect);
  const closed = new Promise<void>((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      failure =
        error.code === 'ENOENT'
          ? new Error('redis-server is not on the PATH; install it: apt-get install redis-server')
          : error;
    });
    child.once('close', (code, signal) => {
      failure ??= new Error(`redis-server ended with ${code ?? signal}:\n${output}`);
      resolve();
    });
  });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill); // a test run that is cut short leaves no server behind
  const stop = async () => {
    process.off('exit', kill);
    kill();
    await closed;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await answersPing(port, () => failure);
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, connect: () => connect(port), stop };
}
