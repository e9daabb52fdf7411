/**
 * Runs a test file once more with permessage-deflate agreed on: what RFC 6455 says of frames has to hold all the same.
 *
 * - `agreed`: nothing is compressed though it may be. Daemons have a threshold out of reach.
 * - `compressed`: daemons compress everything, and so do raw clients each message that `clientFrame` makes in one frame.
 *   Nobody keeps a context, so that each message stands for itself.
 */
import { Deflater, Inflater } from './deflate.ts';

type Mode = 'off' | 'agreed' | 'compressed';

let mode: Mode = 'off';

export function agreeOnCompression(how: Exclude<Mode, 'off'>): void {
  mode = how;
}

export function compressionAgreed(): boolean {
  return mode !== 'off';
}

/** Whether messages are to be compressed. */
export function compressing(): boolean {
  return mode === 'compressed';
}

/** For the daemon's command line. */
export function compressionArguments(): string[] {
  if (mode === 'off') return [];
  return ['--compression', 'on', '--compression-threshold', mode === 'agreed' ? '999999999' : '1'];
}

/** For `request`. */
export function compressionOffer(): string[] {
  const alone = '; server_no_context_takeover; client_no_context_takeover';
  return mode === 'off' ? [] : [`Sec-WebSocket-Extensions: permessage-deflate${compressing() ? alone : ''}`];
}

/** RFC 7692 §7.2.1, for a message that refers to none before it. */
export function compress(message: Uint8Array): Buffer {
  return new Deflater(15, false).message(message);
}

/** §7.2.2, strictly. */
export function decompress(payload: Uint8Array): Buffer {
  return new Inflater(15, false).message(payload);
}
