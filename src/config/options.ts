/**
 * The daemon's own options: one table for the command line, the file, the checks, `--help` and the documentation.
 */
import { accessSync, constants, statSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { dirname } from 'node:path';
import { messageOf } from '../errors.ts';
import { LOG_LEVELS, type LogLevel } from '../observability/logger.ts';
import { escapeControls } from '../printable.ts';
import { checkSocketPath, MAX_SOCKET_PATH, temporaryPath } from '../transports/address.ts';
import { quote } from './settings.ts';

/** The values, as they are used. */
export interface CoreOptions {
  port: number;
  listen: string;
  /** In seconds. */
  ping: number;
  backend: string;
  plugin: string;
  'half-close': (typeof HALF_CLOSES)[number];
  'dgram-dir': string | undefined;
  'socket-mode': number;
  'log-level': LogLevel;
  kernel: (typeof KERNEL_CHOICES)[number];
  compression: boolean;
  'compression-level': number;
  'compression-window-bits': number;
  'compression-takeover': Takeover;
  /** In bytes. */
  'compression-threshold': number;
  'compression-connections': number;
  /** In seconds. */
  'drain-wait': number;
  /** In seconds. */
  drain: number;
}

/** Whether bytes take the fast way: `auto`, where it is to be had. */
const KERNEL_CHOICES = ['auto', 'off'] as const;

/** What becomes of a connection whose peer has ended its side only. */
const HALF_CLOSES = ['close', 'keep'] as const;

/** Whose compressed messages may refer to those before. */
const TAKEOVERS = ['both', 'server', 'client', 'none'] as const;
type Takeover = (typeof TAKEOVERS)[number];

export interface OptionSpec<T> {
  /** On the command line, the usual one last. */
  readonly flags: readonly string[];
  readonly placeholder: string;
  readonly default: T;
  /** The default as it would be written, where that is not what `String` makes of it. */
  readonly defaultText?: string;
  readonly description: string;
  /** Each of them counts, in whatever layer it stands. Otherwise the last one wins. */
  readonly repeatable?: true;
  /** Throws an Error that says what was expected. */
  readonly parse: (text: string) => T;
}

export const CORE_OPTIONS: { readonly [K in keyof CoreOptions]: OptionSpec<CoreOptions[K]> } = {
  port: {
    flags: ['-p', '--port'],
    placeholder: 'PORT',
    default: 8001,
    description: 'port to listen on; 0: the system chooses one',
    parse: (text) => parseNumber(text, 0, 65535),
  },
  listen: {
    flags: ['-l', '--listen'],
    placeholder: 'ADDRESS',
    default: '::',
    description: 'address to listen on, or unix:///PATH; ::, all of IPv6 and IPv4',
    parse: parseListen,
  },
  ping: {
    flags: ['-k', '--keepalive'],
    placeholder: 'SECONDS',
    default: 30,
    description: 'silence before a client is sent a Ping, and again before it is dropped; 0: never',
    parse: (text) => parseNumber(text, 0, 86_400),
  },
  backend: {
    flags: ['-b', '--backend'],
    placeholder: 'BACKEND',
    default: 'default',
    description: 'what chooses the peer: a built-in name, or the path or package of a plugin',
    parse: parseNonEmpty,
  },
  plugin: {
    flags: ['--plugin'],
    placeholder: 'PLUGIN',
    default: '',
    description: 'path or package of a plugin that is then known by its name; may be repeated',
    repeatable: true,
    parse: parseNonEmpty,
  },
  'half-close': {
    flags: ['--half-close'],
    placeholder: 'CHOICE',
    default: 'close',
    description: 'when the peer ends its side: close the connection, or keep sending to it',
    parse: (text) => parseWord(text, HALF_CLOSES),
  },
  'dgram-dir': {
    flags: ['--dgram-dir'],
    placeholder: 'FOLDER',
    default: undefined,
    defaultText: '',
    description: 'where clients of unix-dgram:// peers bind a path instead of an abstract name',
    parse: parseSocketFolder,
  },
  'socket-mode': {
    flags: ['--socket-mode'],
    placeholder: 'MODE',
    default: 0o660,
    defaultText: '0660',
    description: 'who may connect to a unix:// socket that is listened on: its octal mode',
    parse: parseMode,
  },
  'log-level': {
    flags: ['--log-level'],
    placeholder: 'LEVEL',
    default: 'info',
    description: LOG_LEVELS.join(', '),
    parse: (text) => parseWord(text, LOG_LEVELS),
  },
  kernel: {
    flags: ['--kernel'],
    placeholder: 'CHOICE',
    default: 'auto',
    description: 'auto or off: decode in WebAssembly and share buffers where Node can',
    parse: (text) => parseWord(text, KERNEL_CHOICES),
  },
  compression: {
    flags: ['--compression'],
    placeholder: 'SWITCH',
    default: false,
    defaultText: 'off',
    description: 'on or off: compress messages for clients that offer it (permessage-deflate)',
    parse: (text) => parseWord(text, ['on', 'off']) === 'on',
  },
  'compression-level': {
    flags: ['--compression-level'],
    placeholder: 'LEVEL',
    default: 6,
    description: 'how hard to compress: 1, fast, to 9, small',
    parse: (text) => parseNumber(text, 1, 9),
  },
  'compression-window-bits': {
    flags: ['--compression-window-bits'],
    placeholder: 'BITS',
    default: 15,
    description: 'largest window to agree on, 9 to 15; a smaller one takes less memory',
    parse: (text) => parseNumber(text, 9, 15),
  },
  'compression-takeover': {
    flags: ['--compression-takeover'],
    placeholder: 'WHOSE',
    default: 'both',
    description: 'whose messages may refer to those before: both, server, client, none',
    parse: (text) => parseWord(text, TAKEOVERS),
  },
  'compression-threshold': {
    flags: ['--compression-threshold'],
    placeholder: 'BYTES',
    default: 64,
    description: 'messages shorter than this go out uncompressed',
    parse: (text) => parseNumber(text, 1, 999_999_999),
  },
  'compression-connections': {
    flags: ['--compression-connections'],
    placeholder: 'N',
    default: 1000,
    description: 'most connections that are compressed at a time; more go on without',
    parse: (text) => parseNumber(text, 1, 999_999_999),
  },
  'drain-wait': {
    flags: ['--drain-wait'],
    placeholder: 'SECONDS',
    default: 0,
    description: 'after SIGTERM: how long connections may go on before they are told to close',
    parse: (text) => parseNumber(text, 0, 86_400),
  },
  drain: {
    flags: ['--drain'],
    placeholder: 'SECONDS',
    default: 10,
    description: 'after that: how long they have to flush and close before they are cut',
    parse: (text) => parseNumber(text, 0, 86_400),
  },
};

function parseNumber(text: string, minimum: number, maximum: number): number {
  const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= minimum && value <= maximum)) {
    throw new Error(`expected a number from ${minimum} to ${maximum}, not ${quote(text)}`);
  }
  return value;
}

/** What `listen = unix://…` begins with. */
export const UNIX = 'unix://';

function parseListen(text: string): string {
  if (!text.startsWith(UNIX)) return parseHost(text);
  const path = checkSocketPath(text.slice(UNIX.length), text);
  if (escapeControls(path) !== path)
    throw new Error(`${quote(text)}: there are control characters in the path`);
  if (!path.startsWith('@')) checkSocketFolder(dirname(path), text);
  return text;
}

/** A socket is bound under a name of our own first, and moved to its place when it is ready: that must fit, too. */
function checkSocketFolder(folder: string, where: string): void {
  const excess = Buffer.byteLength(temporaryPath(folder)) - MAX_SOCKET_PATH;
  if (excess <= 0) return;
  const length = Buffer.byteLength(folder);
  throw new Error(
    `${quote(where)}: the path of a folder for Unix sockets has at most ${length - excess} bytes, not ${length}`,
  );
}

function parseMode(text: string): number {
  if (!/^0?[0-7]{3}$/.test(text)) throw new Error(`expected an octal mode as in 0660, not ${quote(text)}`);
  return Number.parseInt(text, 8);
}

/** What the system's codes mean to whoever named a folder. */
const FOLDER_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'there is none; make it first',
  EACCES: 'not permitted to write to it',
  EROFS: 'it is on a file system that is read-only',
};

function parseSocketFolder(text: string): string {
  if (text === '') throw new Error('expected a folder, not an empty value');
  checkSocketFolder(text, text);
  return text;
}

/** Throws an Error if this is no folder that a socket could be made in, here and now. */
export function checkWritable(text: string): void {
  try {
    if (!statSync(text).isDirectory()) throw new Error('it is no folder');
    accessSync(text, constants.W_OK | constants.X_OK);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    const reason = FOLDER_ERRORS[code] ?? messageOf(error);
    throw new Error(`expected a folder to write to, not ${quote(text)}: ${reason}`);
  }
}

function parseHost(text: string): string {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text;
  if (isIPv6(bare)) return bare;
  if (/^[A-Za-z0-9._][A-Za-z0-9._-]*$/.test(text)) return text;
  const hint = /^[^/]+:[0-9]+$/.test(text) ? '; the port is an option of its own' : '';
  throw new Error(`expected an IP address, a host name or unix:///PATH, not ${quote(text)}${hint}`);
}

function parseNonEmpty(text: string): string {
  if (text === '') throw new Error('expected a name, not an empty value');
  return text;
}

function parseWord<T extends string>(text: string, words: readonly T[]): T {
  const word = words.find((known) => known === text);
  if (word === undefined) throw new Error(`expected one of ${words.join(', ')}, not ${quote(text)}`);
  return word;
}
