#!/usr/bin/env node
/**
 * The command: arguments to a configuration, a configuration to a daemon, signals to its stop, outcomes to exit statuses.
 *
 * 0: a stop that was asked for. 1: it could not start, something failed that nobody caught, or a second signal ended it at
 * once. 2: a wrong configuration.
 */
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { type CommandLine, parseArgv } from '../src/config/argv.ts';
import { type Config, loadConfig } from '../src/config/config.ts';
import { formatEffective } from '../src/config/effective.ts';
import { FILE_VARIABLE, parseEnvironment } from '../src/config/environment.ts';
import { parseFile, readConfigFile } from '../src/config/file.ts';
import { helpText } from '../src/config/help.ts';
import { ConfigError } from '../src/config/settings.ts';
import { Daemon } from '../src/daemon.ts';
import { isInstance, messageOf, stackOf } from '../src/errors.ts';
import { LogOutput } from '../src/observability/log-output.ts';
import { createLogger } from '../src/observability/logger.ts';
import { standardError } from '../src/observability/standard-error.ts';
import { ThrottledLog } from '../src/observability/warnings.ts';
import { escapeControls } from '../src/printable.ts';
import { formatEndpoint } from '../src/transports/address.ts';

/** What it takes to end a daemon that runs. */
interface Running {
  readonly daemon: Daemon;
  readonly log: LogOutput;
  /** What was thrown that nobody caught. */
  readonly uncaught: ThrottledLog;
}

const FAILED = 1;
const MISCONFIGURED = 2;

/** What the system's codes mean to whoever starts the daemon. */
const PORT_ERRORS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use; stop the other program, or choose another port with -p',
  EACCES: 'not permitted; ports below 1024 need privileges, choose another one with -p',
  EADDRNOTAVAIL: 'this machine has no such address; see -l',
  EAFNOSUPPORT: 'this machine has no addresses of that kind; see -l',
  ENOTFOUND: 'there is no host of that name; see -l',
};
const PATH_ERRORS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'in use: another program has that name',
  EACCES: 'not permitted to make a socket in that folder',
  EROFS: 'that folder is on a file system that is read-only',
  ENOENT: 'there is no such folder; make it, or choose another path with -l',
  ENOTDIR: 'what should be its folder is none; choose another path with -l',
};

/** 1 s: what a last word may take to be written, where nobody may read it. */
const LAST_WORD = 1_000;

let stopAction: (() => void) | undefined;
/** What happens when something was thrown that nobody caught. */
let failAction = failEarly;
/** Of a daemon that runs, once it ends. */
let exitStatus = 0;
let stopping = false;

// Whoever reads the output may go away; the bridge goes on.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
// A plugin's stray promise most of all. It may be there before the daemon is.
for (const event of ['uncaughtException', 'unhandledRejection'] as const)
  process.on(event, (thrown: unknown) => failAction(thrown));

try {
  await main(parseArgv(process.argv.slice(2), process.cwd()));
} catch (error) {
  if (isInstance(error, ConfigError)) end(process.stderr, `websocksy: ${error.message}\n`, MISCONFIGURED);
  else failAction(error);
}

async function main(commandLine: CommandLine): Promise<void> {
  if (commandLine.action === 'help') {
    process.stdout.write(helpText());
  } else if (commandLine.action === 'version') {
    process.stdout.write(`websocksy ${version()}\n`);
  } else {
    // A plugin may take its time to load. As the first process of a container it would not even get the signal.
    if (commandLine.action === 'run') onStopSignal(() => setImmediate(() => exit(0)));
    const config = await readConfig(commandLine);
    if (commandLine.action === 'check') check(config);
    else await run(config, commandLine.demo);
  }
}

/** The command line wins over the environment, that over the file. */
function readConfig({ file: named, settings, demo }: CommandLine): Promise<Config> {
  const environment = parseEnvironment(process.env, process.cwd());
  const file = named ?? environment.file;
  const origin = named === undefined ? FILE_VARIABLE : '';
  const fromFile = file === undefined ? [] : parseFile(readConfigFile(file, origin), file);
  const all = [...fromFile, ...environment.settings, ...settings];
  return loadConfig(all, demo ? { host: 'echo://' } : {});
}

function check({ notices, effective }: Config): void {
  for (const message of notices.kept) process.stderr.write(`websocksy: warning: ${message}\n`);
  end(process.stdout, `# The configuration is good. This is what counts:\n${formatEffective(effective)}`, 0);
}

async function run(config: Config, demo: boolean): Promise<void> {
  const output = new LogOutput(standardError());
  const log = createLogger(config.logLevel, (line, level) => output.write(line, level));
  const daemon = new Daemon({ ...config, log });
  if (!daemon.usesKernel) collectEarly();
  // Before it listens: whoever starts it may stop it as soon as it says so.
  const running = { daemon, log: output, uncaught: new ThrottledLog(log.error) };
  stopOnSignals(running);
  stopOnFailure(running, config);
  process.on('SIGUSR2', () => daemon.logCounters());
  try {
    await daemon.start();
  } catch (error) {
    await output.flush();
    end(
      process.stderr,
      `${escapeControls(`websocksy: cannot listen on ${daemon.endpoint}: ${explain(error, config)}`)}\n`,
      FAILED,
    );
    return;
  }
  if (demo) process.stdout.write(hints(daemon, config));
}

/** Says a last word and exits, whatever a backend that is already made may keep open. */
function end(stream: NodeJS.WriteStream, text: string, status: number): void {
  stream.write(text, () => exit(status));
  // What standard output is asked for is waited for.
  if (stream === process.stderr) setTimeout(() => exit(status), LAST_WORD);
}

/** A plugin's listener for the exit may throw; asked again, Node has no listeners any more. */
function exit(status: number): void {
  try {
    process.exit(status);
  } catch (error) {
    failAction(error);
    process.exit(FAILED);
  }
}

function stopOnSignals(running: Running): void {
  let signals = 0;
  onStopSignal(() => {
    signals += 1;
    if (signals === 1) stop(running);
    else cut(running, signals > 2);
  });
}

/** Says what a signal to stop does from now on. A plugin may listen for it, too. */
function onStopSignal(action: () => void): void {
  if (stopAction === undefined)
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopAction?.());
  stopAction = action;
}

function failEarly(thrown: unknown): void {
  end(process.stderr, `websocksy: uncaught: ${escapeControls(stackOf(thrown))}\n`, FAILED);
}

/**
 * What nobody caught leaves an unknown state behind: it ends the process, in order. What is thrown again and again
 * meanwhile neither fills the log nor keeps the end away.
 */
function stopOnFailure(running: Running, { limits }: Config): void {
  // Waiting, closing and cutting, and what the backend and the last lines get.
  const longest = 2 * limits.drainTimeout + 3 * LAST_WORD;
  let deadline = Number.POSITIVE_INFINITY;
  failAction = (thrown) => {
    const now = performance.now();
    running.uncaught.log('uncaught', 'uncaught', { stack: stackOf(thrown) }, now);
    exitStatus = FAILED;
    if (now > deadline) cut(running, true);
    deadline = Math.min(deadline, now + longest);
    stop(running, false);
  };
}

/** In order; asked again, it is the same stop. @param wait whether connections get time to end by themselves */
function stop({ daemon, log, uncaught }: Running, wait = true): void {
  const stopped = daemon.stop(wait);
  if (stopping) return;
  stopping = true;
  void stopped
    .catch((error) => failAction(error))
    .then(() => {
      uncaught.flush();
      return log.flush();
    })
    // Nothing holds the loop any more, but for what a plugin or a name look-up may have left running.
    .then(() => setTimeout(() => exit(exitStatus), 0));
}

/** Who asks for it a third time does not want to wait for the log either. */
function cut({ daemon, log }: Running, atOnce: boolean): void {
  exitStatus = FAILED;
  daemon.cut();
  if (atOnce) exit(FAILED);
  void log.flush().then(() => exit(FAILED));
}

function explain(error: unknown, { path }: Config): string {
  const { code = '', syscall } = error as NodeJS.ErrnoException;
  // One without a system call is ours, and says more.
  if (code === 'EADDRINUSE' && syscall === undefined) return `in use: ${messageOf(error)}`;
  return (path === undefined ? PORT_ERRORS : PATH_ERRORS)[code] ?? messageOf(error);
}

function hints({ host, port, endpoint }: Daemon, { path }: Config): string {
  if (path !== undefined) return `\n  websocksy is ready at ${endpoint}\n\n`;
  const url = `ws://${formatEndpoint(host === '::' || host === '0.0.0.0' ? 'localhost' : host, port)}/`;
  return `
  websocksy is ready at ${url}

  In a browser's console:
    ws = new WebSocket('${url}'); ws.onmessage = (e) => console.log(e.data); ws.onopen = () => ws.send('hello')
  In a terminal:
    npx wscat -c ${url}

  To bridge a TCP server, say VNC at port 5900:
    npm start -- -p ${port} -c host=tcp://localhost:5900 -c framing=binary
  Ctrl-C ends it. All options: npm start -- --help

`;
}

/**
 * Without slabs each read allocates 64 KiB outside of V8's heap and next to nothing in it, so V8 sees no reason to collect:
 * tens of MiB of dead reads pile up. From 5 % of the young generation instead of 80 % it collects every few MiB;
 * docs/decisions/008.
 */
function collectEarly(): void {
  setFlagsFromString('--minor-gc-task-trigger=5');
}

function version(): string {
  // dist/bin/ lies two folders below the package.
  const manifest = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
}
