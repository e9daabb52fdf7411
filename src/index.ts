/**
 * websocksy as a library: the daemon inside a program of one's own.
 *
 *     import { start } from 'websocksy';
 *     const daemon = await start({ port: 8001, backendOptions: { host: 'tcp://localhost:5900', framing: 'binary' } });
 *     await daemon.stop();
 *
 * Plugin authors import `websocksy/plugin`.
 */
import { loadConfig } from './config/config.ts';
import type { Setting } from './config/settings.ts';
import { Daemon } from './daemon.ts';
import type { Limits } from './limits.ts';
import { createLogger, type Logger } from './observability/logger.ts';

export { ConfigError } from './config/settings.ts';
export { Daemon } from './daemon.ts';
export { FAULTS, type FaultCode } from './errors.ts';
export { DEFAULT_LIMITS, type Limits } from './limits.ts';
export { createLogger, type Logger, type LogLevel } from './observability/logger.ts';

/** See docs/configuration.md for what each costs. */
export interface StartCompression {
  /** 1, fast, to 9, small. @default 6 */
  readonly level?: number;
  /** Largest window to agree on, 9 to 15. @default 15 */
  readonly windowBits?: number;
  /** Whose messages may refer to those before. @default 'both' */
  readonly takeover?: 'both' | 'server' | 'client' | 'none';
  /** Messages of fewer bytes go out uncompressed; at least 1. @default 64 */
  readonly threshold?: number;
  /** Most connections that are compressed at a time; at least 1. @default 1000 */
  readonly connections?: number;
}

export interface StartOptions {
  /** @default 8001; 0: the system chooses one */
  readonly port?: number;
  /** An address, a name, or `unix:///path`. @default '::', all of IPv6 and IPv4 */
  readonly listen?: string;
  /** Seconds without a byte from a client before it is sent a Ping, and again before it is dropped. 0: never. @default 30 */
  readonly ping?: number;
  /** The octal mode of that path. @default '0660' */
  readonly socketMode?: string;
  /** The folder in which clients of `unix-dgram://` peers bind a path. @default they bind abstract names */
  readonly dgramDir?: string;
  /** Paths or packages of plugins that are then known by their names. */
  readonly plugins?: readonly string[];
  /** A built-in backend's name or the path or package of a plugin, from the working directory. @default 'default' */
  readonly backend?: string;
  /** What `-c` takes on the command line; a list for an option that may be repeated. */
  readonly backendOptions?: Readonly<Record<string, string | readonly string[]>>;
  /** `off`: decodes frames in TypeScript and leaves the sockets to Node, also where there is a faster way. @default 'auto' */
  readonly kernel?: 'auto' | 'off';
  /** Compresses messages for clients that offer it; with options of its own, or as they are by default. @default false */
  readonly compression?: boolean | StartCompression;
  /** What the end of a peer's side means: the end of the connection, or nothing. @default 'close' */
  readonly halfClose?: 'close' | 'keep';
  /** Bounds other than the defaults. */
  readonly limits?: Partial<Limits>;
  /** Where log lines go. @default nowhere */
  readonly log?: Logger;
}

/**
 * Starts a daemon and resolves when it listens.
 *
 * @throws ConfigError if an option is wrong; the system's error if it cannot listen
 */
export async function start(options: StartOptions = {}): Promise<Daemon> {
  const { limits, log = createLogger('error', () => {}) } = options;
  const config = await loadConfig(toSettings(options));
  const daemon = new Daemon({ ...config, limits: { ...config.limits, ...limits }, log });
  try {
    await daemon.start();
  } catch (error) {
    // What was made for it must not keep the program alive.
    await daemon.stop();
    throw error;
  }
  return daemon;
}

function toSettings(options: StartOptions): Setting[] {
  const { backend, backendOptions = {}, port, listen, ping, socketMode, dgramDir, plugins = [] } = options;
  const { compression = false, halfClose, kernel } = options;
  const settings: Setting[] = [];
  const add = (section: Setting['section'], name: string, value: string | number | undefined) => {
    if (value !== undefined)
      settings.push({
        section,
        name,
        value: String(value),
        layer: 'arguments',
        origin: name,
        base: process.cwd(),
      });
  };
  add('core', 'port', port);
  add('core', 'listen', listen);
  add('core', 'ping', ping);
  add('core', 'socket-mode', socketMode);
  add('core', 'half-close', halfClose);
  add('core', 'dgram-dir', dgramDir);
  for (const plugin of plugins) add('core', 'plugin', plugin);
  add('core', 'kernel', kernel);
  add('core', 'compression', compression === false ? 'off' : 'on');
  if (typeof compression === 'object') {
    add('core', 'compression-level', compression.level);
    add('core', 'compression-window-bits', compression.windowBits);
    add('core', 'compression-takeover', compression.takeover);
    add('core', 'compression-threshold', compression.threshold);
    add('core', 'compression-connections', compression.connections);
  }
  add('core', 'backend', backend);
  for (const [name, values] of Object.entries(backendOptions)) {
    for (const value of typeof values === 'string' ? [values] : values) add('backend', name, value);
  }
  return settings;
}
