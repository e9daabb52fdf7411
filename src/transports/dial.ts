/**
 * From an address to a connected transport, within one timeout, and only for as long as somebody wants it.
 */
import { createSocket } from 'node:dgram';
import { isIPv6, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CancelSignal } from '../cancellation.ts';
import { Fault, messageOf } from '../errors.ts';
import { formatAddress, type PeerAddress, systemPath } from './address.ts';
import { DatagramTransport } from './datagram.ts';
import { EchoTransport } from './echo.ts';
import { connectFirst, isOutOfDescriptors, MAX_ATTEMPTS, type RaceOptions } from './race.ts';
import { checkAddresses } from './resolve.ts';
import { StreamTransport, streamSocket } from './stream.ts';
import type { Transport } from './transport.ts';
import { UdpSocket } from './udp.ts';
import { openUnixDatagram } from './unix-dgram.ts';

export interface DialOptions extends RaceOptions {
  /** The folder in which Unix datagram clients bind a path. Left out: they bind an abstract name. */
  readonly dgramDir?: string | undefined;
}

/** What an attempt may use: the signal is aborted by the dial's own timeout, too. */
type Attempt<Kind extends PeerAddress['kind']> = (
  address: PeerAddress & { kind: Kind },
  options: DialOptions,
  signal: AbortSignal,
) => Promise<Transport>;

/** A listener with a full backlog makes connects to a Unix socket fail at once; 20 tries a second cost nothing. */
const RETRY_DELAY = 50;

/**
 * Dials a peer.
 *
 * @throws (rejects) Fault `dial-failed` or `dial-timeout`, with what went wrong in its details; the signal's reason if aborted
 */
export function dial(address: PeerAddress, options: DialOptions, signal: CancelSignal): Promise<Transport> {
  if (signal.aborted) return Promise.reject(signal.reason);
  switch (address.kind) {
    case 'tcp':
      return connectFirst(address, options, signal);
    case 'udp':
      return attempt(address, options, signal, dialUdp);
    case 'unix':
      return attempt(address, options, signal, dialUnix);
    case 'unix-dgram':
      return attempt(address, options, signal, dialUnixDatagram);
    case 'echo':
      return Promise.resolve(new EchoTransport());
  }
}

/** Gives an attempt its time, and what it throws a code. */
async function attempt<Kind extends PeerAddress['kind']>(
  address: PeerAddress & { kind: Kind },
  options: DialOptions,
  signal: CancelSignal,
  make: Attempt<Kind>,
): Promise<Transport> {
  const peer = formatAddress(address);
  const controller = new AbortController();
  const onAbort = () => controller.abort(signal.reason);
  const onTimeout = () => controller.abort(new Fault('dial-timeout', { peer, errors: 'no answer' }));
  signal.addEventListener('abort', onAbort);
  const timer = setTimeout(onTimeout, options.dialTimeout);
  try {
    const transport = await make(address, options, controller.signal);
    if (!controller.signal.aborted) return transport;
    transport.destroy();
    throw controller.signal.reason;
  } catch (error) {
    if (controller.signal.aborted) throw controller.signal.reason;
    const code = isOutOfDescriptors(error) ? 'descriptors-full' : 'dial-failed';
    throw new Fault(code, { peer, errors: explain(error) }, error);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

const dialUnix: Attempt<'unix'> = async ({ path }, options, signal) => {
  for (;;) {
    try {
      return new StreamTransport(await connectPath(systemPath(path), options, signal), options);
    } catch (error) {
      // Linux, unix(7): the listener's backlog is full. A connect by TCP would wait in this place.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      await sleep(RETRY_DELAY, undefined, { signal });
    }
  }
};

function connectPath(path: string, options: DialOptions, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = streamSocket(options).connect({ path });
    const onAbort = () => socket.destroy(signal.reason);
    signal.addEventListener('abort', onAbort);
    const settle = () => {
      signal.removeEventListener('abort', onAbort);
      socket.removeListener('error', onError);
    };
    const onError = (error: Error) => {
      settle();
      reject(error);
    };
    socket.once('error', onError);
    socket.once('connect', () => {
      settle();
      resolve(socket);
    });
  });
}

/** A datagram socket connects without asking anybody: only an address without any way to it is passed over. */
const dialUdp: Attempt<'udp'> = async ({ host, port }, options, signal) => {
  const found = checkAddresses(await unlessAborted(options.resolver(host), signal));
  const errors: string[] = [];
  for (const ip of found.slice(0, MAX_ATTEMPTS)) {
    try {
      return new DatagramTransport(await connectUdp(ip, port), options);
    } catch (error) {
      if (isOutOfDescriptors(error)) throw error;
      errors.push(`${ip}: ${explain(error)}`);
    }
  }
  throw new Error(errors.length > 0 ? errors.join(', ') : 'no address');
};

/** RFC 4291 §2.5.5.2: IPv4 goes out on the wire. */
const MAPPED = /^::ffff:/i;

/** Connected, so that the system passes on only what comes from the peer, and tells when the peer is not there. */
function connectUdp(ip: string, port: number): Promise<UdpSocket> {
  const socket = createSocket({
    type: isIPv6(ip) ? 'udp6' : 'udp4',
    lookup: (host, _options, callback) => callback(null, host, isIPv6(host) ? 6 : 4),
  });
  return new Promise((resolve, reject) => {
    const onError = (error: Error) => {
      socket.close();
      reject(error);
    };
    // A failure to bind comes as an event: no descriptor left, no such family here.
    socket.once('error', onError);
    socket.connect(port, ip, (error?: Error) => {
      socket.off('error', onError);
      if (error === undefined) resolve(new UdpSocket(socket, isIPv6(ip) && !MAPPED.test(ip) ? 6 : 4));
      else onError(error);
    });
  });
}

const dialUnixDatagram: Attempt<'unix-dgram'> = async ({ path }, options) =>
  new DatagramTransport(openUnixDatagram(path, options.dgramDir), options);

/** The value; or the signal's reason, as soon as it is aborted. */
async function unlessAborted<T>(value: T | Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort);
  });
  try {
    return await Promise.race([value, aborted]);
  } finally {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
  }
}

/** The system's code, which says it all; else the message. */
function explain(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? messageOf(error);
}
