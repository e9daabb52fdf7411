/**
 * A whole connection against the receiver of `ws`, another implementation of RFC 6455: the same messages, Pings and end, or a
 * stricter answer of ours, which is told here by the code of its Fault.
 */
import * as wsModule from 'ws';
import type { FaultCode } from '../../../src/errors.ts';
import { makeFastPath } from '../../../src/fast-path.ts';
import { concat, hex, hexOf } from '../../support/bytes.ts';
import { serverFrames } from '../../support/server-frames.ts';
import { give, REQUEST, Taker } from '../opened.ts';
import { cutsOf, insist, insistSame, type Target } from '../target.ts';
import { FRAMES, HEADERS } from './frames.ts';

/** Low, so that it is met with, and one less than many frames have. */
const MAX_MESSAGE = 255;

interface Heard {
  /** `1 68656c6c6f`: opcode and payload. */
  readonly messages: readonly string[];
  readonly pings: readonly string[];
  /** Code and reason of a Close. */
  readonly close: string | undefined;
  readonly fault: string | undefined;
}

const fast = makeFastPath();

function ours(pieces: readonly Uint8Array[], kernel: boolean): Heard {
  const path = kernel ? fast : undefined;
  const taker = new Taker({ peer: 'message', messageBytes: MAX_MESSAGE }, path);
  give(taker.connection, REQUEST, path);
  for (const piece of pieces) give(taker.connection, piece, path);
  const { ending, written, messages } = taker;
  const frames = serverFrames(written.slice(1));
  const status = ending !== undefined && 'status' in ending ? ending.status : undefined;
  return {
    messages: messages.map(({ opcode, payload }) => `${opcode} ${hexOf(payload)}`),
    pings: frames.filter(({ opcode }) => opcode === 10).map(({ payload }) => hexOf(payload)),
    close: status && `${status.code} ${status.reason}`,
    fault: ending?.by === 'fault' ? ending.fault.code : undefined,
  };
}

/** What of its receiver is used here: the types of `ws` do not have it. */
interface Receiver {
  on(event: 'message', listener: (data: Buffer, isBinary: boolean) => void): this;
  on(event: 'ping', listener: (data: Buffer) => void): this;
  on(event: 'conclude', listener: (code: number, reason: Buffer) => void): this;
  _write(bytes: Buffer, encoding: string, done: (error?: Error & { code: string }) => void): void;
}
const { Receiver } = wsModule as unknown as {
  Receiver: new (options: { isServer: boolean; maxPayload: number }) => Receiver;
};

function theirs(wire: Uint8Array): Heard {
  const messages: string[] = [];
  const pings: string[] = [];
  let close: string | undefined;
  let fault: string | undefined;
  const receiver = new Receiver({ isServer: true, maxPayload: MAX_MESSAGE })
    .on('message', (data, isBinary) => messages.push(`${isBinary ? 2 : 1} ${hexOf(data)}`))
    .on('ping', (data) => pings.push(hexOf(data)))
    .on('conclude', (code, reason) => {
      close = `${code} ${reason.toString('utf8')}`;
    });
  // What a stream calls, and not `write`, whose errors come only in the next turn.
  receiver._write(Buffer.from(wire), 'buffer', (error) => {
    fault = error?.code;
  });
  return { messages, pings, close, fault };
}

/** What a frame's first bytes can be found wrong for: of several things each names the one that it looks at first. */
const OF_HEADER: readonly FaultCode[] = [
  'rsv-set',
  'opcode-reserved',
  'mask-missing',
  'control-too-long',
  'control-fragmented',
  'continuation-unexpected',
  'message-interrupted',
];
const WS_OF_HEADER = [
  'WS_ERR_UNEXPECTED_RSV_1',
  'WS_ERR_UNEXPECTED_RSV_2_3',
  'WS_ERR_INVALID_OPCODE',
  'WS_ERR_EXPECTED_FIN',
  'WS_ERR_EXPECTED_MASK',
  'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH',
];
const WS_TOO_LONG = ['WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH', 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'];

/** By our Fault: what `ws` says of it. */
const SAME: Partial<Record<FaultCode, readonly string[]>> = {
  ...Object.fromEntries(OF_HEADER.map((code) => [code, WS_OF_HEADER])),
  'length-invalid': WS_TOO_LONG,
  'frame-too-large': WS_TOO_LONG,
  'message-too-large': WS_TOO_LONG,
  'close-malformed': ['WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH'],
  'close-code-invalid': ['WS_ERR_INVALID_CLOSE_CODE'],
  'text-not-utf8': ['WS_ERR_INVALID_UTF8'],
};

/** Longer than any header. Read as one it is none that is right. */
const PADDING = hex('ff'.repeat(16));

function compare(mine: Heard, wire: Uint8Array): void {
  const other = theirs(wire);
  switch (mine.fault as FaultCode | undefined) {
    case undefined:
      // It looks at the length of a Close before there is its payload.
      if (other.fault === 'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH' && mine.close === undefined) {
        const later = ours([concat(wire, new Uint8Array(5))], false).fault;
        insist(later === 'close-malformed', `ws: ${other.fault}, we only ${later}`);
        insistSame({ ...mine, fault: other.fault }, other, 'before a Close of one byte ws heard');
        return;
      }
      insistSame(mine, other, 'we hear');
      return;
    case 'length-not-minimal':
      // §5.2: it does not mind, and goes on.
      insistSame(mine.messages, other.messages.slice(0, mine.messages.length), 'before that, messages');
      insistSame(mine.pings, other.pings.slice(0, mine.pings.length), 'before that, Pings');
      return;
    case 'text-not-utf8':
      // §8.1: it looks when the message is whole. Until then there may be control frames, and other things wrong.
      insistSame(mine.messages, other.messages, 'before text that is not UTF-8, messages');
      insistSame(mine.pings, other.pings.slice(0, mine.pings.length), 'before text that is not UTF-8, Pings');
      return;
    default: {
      // It reads the first two bytes of a header together, and eight of a length.
      const told =
        other.fault === undefined && other.close === undefined ? theirs(concat(wire, PADDING)) : other;
      insist(
        SAME[mine.fault as FaultCode]?.includes(told.fault ?? '') === true,
        `${mine.fault}, ws: ${told.fault}`,
      );
      insistSame(mine.messages, told.messages, `before ${mine.fault}, messages`);
      insistSame(mine.pings, told.pings, `before ${mine.fault}, Pings`);
    }
  }
}

export const framesWs: Target = {
  name: 'frames-ws',
  about: 'a connection against the receiver of ws: same events, or a stricter answer',
  inputs: FRAMES,
  words: HEADERS,
  run(input) {
    let first: Heard | undefined;
    for (const pieces of cutsOf(input)) {
      for (const kernel of [false, true]) {
        const heard = ours(pieces, kernel);
        first ??= heard;
        insistSame(heard, first, `${kernel ? 'with' : 'without'} kernel, ${pieces.length} pieces`);
      }
    }
    compare(first!, input);
    insist(fast.slabs.outstanding === 0, `${fast.slabs.outstanding} slabs were not given back`);
  },
};
