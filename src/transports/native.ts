/**
 * Loads the small native part that Unix datagrams need, if it was built and this machine can use it. Nothing else of the
 * daemon depends on it.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../errors.ts';
import type { PeerAddress } from './address.ts';

/** The functions of unix-dgram.c. Numbers below zero are system errors, as in `util.getSystemErrorName`. */
export interface NativeDatagrams {
  /** `local` undefined: the kernel chooses an abstract name. */
  open(
    peer: Uint8Array,
    local: Uint8Array | undefined,
    onReady: (events: number) => void,
  ): OpenedSocket | FailedCall;
  /** Which events to tell of: READABLE, WRITABLE, both, or 0. */
  watch(socket: NativeSocket, events: number): number;
  send(socket: NativeSocket, bytes: Uint8Array): number;
  receive(socket: NativeSocket): Uint8Array | number;
  close(socket: NativeSocket): void;
}

/** Opaque. */
export type NativeSocket = object;

export interface OpenedSocket {
  readonly socket: NativeSocket;
  /** SO_SNDBUF, in bytes. */
  readonly sendBuffer: number;
}

export interface FailedCall {
  /** `socket`, `connect`, `bind`, … */
  readonly call: string;
  readonly error: number;
}

/** In the order in which they are tried: beside the compiled file; from the sources, where these are run as they are. */
const PLACES = ['./unix-dgram.node', '../../dist/src/transports/unix-dgram.node'].map((place) =>
  fileURLToPath(new URL(place, import.meta.url)),
);

/** What there is, or why there is nothing. */
export type Loaded = NativeDatagrams | { readonly problem: string };

let loaded: Loaded | undefined;

/** @throws Error that says why there is no native part, and what to do */
export function native(): NativeDatagrams {
  loaded ??= load(PLACES, process.platform);
  if ('problem' in loaded) throw new Error(loaded.problem);
  return loaded;
}

/** Throws like `native` if a peer cannot be dialled without it. */
export function requireNative(address: PeerAddress): void {
  if (address.kind === 'unix-dgram') native();
}

/** Loads the first of these files that is there. */
export function load(places: readonly string[], platform: NodeJS.Platform): Loaded {
  if (platform !== 'linux') return { problem: 'unix-dgram:// peers need Linux' };
  const file = places.find((place) => existsSync(place));
  if (file === undefined) {
    return {
      problem:
        'unix-dgram:// peers need the native part, which was not built: install a C compiler and the Node.js headers (Debian: gcc, libc6-dev, libnode-dev; Alpine: gcc, musl-dev, nodejs-dev) and run "npm run build:native"',
    };
  }
  const module = { exports: {} };
  try {
    process.dlopen(module, file);
  } catch (error) {
    return {
      problem: `unix-dgram:// peers need the native part, which was built for another system (${messageOf(error)}): run "npm run build:native" on this one`,
    };
  }
  return module.exports as NativeDatagrams;
}
