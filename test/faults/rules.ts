/**
 * Rules that a client can break, and what docs/errors.md says comes of each. Literal bytes: RFC 6455 §5.2, RFC 9112 §2.
 */
import { hex } from '../support/byte-stream.ts';

export interface Rule {
  /** The `why` of the log. */
  readonly why: string;
  readonly close: number;
  readonly bytes: Buffer;
  /** Left out: it is wrong with compression as without. */
  readonly only?: 'compressed' | 'plain';
}

const rule = (why: string, close: number, bytes: string, only?: Rule['only']): Rule =>
  only === undefined ? { why, close, bytes: hex(bytes) } : { why, close, bytes: hex(bytes), only };

export const RULES: readonly Rule[] = [
  rule('mask-missing', 1002, '82 05 0102030405'),
  rule('rsv-set', 1002, 'a2 80 00000000'),
  rule('rsv-set', 1002, 'c2 80 00000000', 'plain'),
  rule('opcode-reserved', 1002, '83 80 00000000'),
  rule('opcode-reserved', 1002, '8b 80 00000000'),
  rule('control-too-long', 1002, '89 fe 007e 00000000'),
  rule('control-fragmented', 1002, '09 80 00000000'),
  rule('continuation-unexpected', 1002, '80 80 00000000'),
  rule('message-interrupted', 1002, '02 80 00000000 82 80 00000000'),
  rule('length-not-minimal', 1002, '82 fe 0005 00000000'),
  rule('length-invalid', 1002, '82 ff 8000000000000000 00000000'),
  rule('frame-too-large', 1009, '82 ff 0020000000000000 00000000'),
  rule('close-malformed', 1002, '88 81 00000000 03'),
  rule('close-code-invalid', 1002, '88 82 00000000 03ed'),
  rule('text-not-utf8', 1007, '81 81 00000000 ff'),
  // RFC 1951 §3.2.3: block type 11 is reserved.
  rule('inflate-failed', 1007, 'c2 81 00000000 07', 'compressed'),
];

export interface WrongRequest {
  readonly why: string;
  readonly status: number;
  /** From a request in order to one that is not. */
  readonly change: (head: string) => string;
}

export const WRONG_REQUESTS: readonly WrongRequest[] = [
  { why: 'head-malformed', status: 400, change: (head) => head.replace('Host: ', 'Host : ') },
  { why: 'head-malformed', status: 400, change: (head) => head.replace('\r\n', '\n') },
  { why: 'version-http', status: 400, change: (head) => head.replace('HTTP/1.1', 'HTTP/1.0') },
  { why: 'host-missing', status: 400, change: (head) => head.replace(/Host: .*\r\n/, '') },
  { why: 'body-refused', status: 400, change: (head) => head.replace('Host', 'Content-Length: 5\r\nHost') },
  { why: 'method-refused', status: 405, change: (head) => head.replace('GET', 'POST') },
  { why: 'upgrade-required', status: 426, change: (head) => head.replace('Upgrade: websocket\r\n', '') },
  { why: 'version-unsupported', status: 426, change: (head) => head.replace(': 13', ': 12') },
  { why: 'key-invalid', status: 400, change: (head) => head.replace(/-Key: ..../, '-Key: ') },
  {
    why: 'route-none',
    status: 404,
    change: (head) => head.replace('Host', 'Sec-WebSocket-Protocol: none\r\nHost'),
  },
  {
    why: 'head-too-large',
    status: 431,
    change: (head) => head.replace('Host', `Cookie: ${'c'.repeat(17_000)}\r\nHost`),
  },
];
