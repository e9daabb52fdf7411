/**
 * The request head and the checks of the handshake.
 *
 * Whatever the cuts, the same comes of it; only Faults are thrown; no bound is passed; nothing of the client's gets into
 * an answer as a line of its own. What we take for a request to upgrade is one for Node's parser (llhttp), too, with the
 * same target, the same fields and the same bytes behind it, since a proxy that reads it in another way than we do lets
 * one request be smuggled in another. Stricter we may be.
 */
import fc from 'fast-check';
import {
  acceptResponse,
  checkRequest,
  type OpeningRequest,
  refusalResponse,
} from '../../../src/rfc6455/handshake.ts';
import { type RequestHead, RequestHeadParser } from '../../../src/rfc6455/request-head.ts';
import { latin1 } from '../../support/bytes.ts';
import { askNode, type NodeAnswer } from '../node-http.ts';
import { cutsOf, faultOf, insist, insistSame, latin1Of, type Target } from '../target.ts';

/** Low, so that both are met with. */
const LIMITS = { headBytes: 1_200, headFields: 12 };

interface Outcome {
  /** The code of a Fault, or whether the head is complete. */
  readonly over: string;
  readonly details?: unknown;
  /** Bytes of the head. */
  readonly length?: number;
  readonly head?: RequestHead;
}

function parse(pieces: readonly Uint8Array[]): Outcome {
  const parser = new RequestHeadParser(LIMITS);
  let before = 0;
  let outcome: Outcome = { over: 'more' };
  const fault = faultOf(() => {
    for (const piece of pieces) {
      const taken = parser.push(piece);
      if (taken >= 0) {
        insist(taken > 0 && taken <= piece.length, `${taken} bytes of ${piece.length} were the head's`);
        outcome = { over: 'complete', length: before + taken, head: parser.head };
        return;
      }
      before += piece.length;
    }
  });
  return fault === undefined ? outcome : { over: fault.code, details: fault.details };
}

function judgeHead(head: RequestHead, length: number): void {
  insist(length <= LIMITS.headBytes, `a head of ${length} bytes`);
  insist(head.headers.size <= LIMITS.headFields, `${head.headers.size} header fields`);
  insist(TOKEN.test(head.method), `the method ${JSON.stringify(head.method)}`);
  insist(/^[\x21-\x7e]+$/.test(head.target), `the target ${JSON.stringify(head.target)}`);
  for (const [name, value] of head.headers) {
    insist(TOKEN.test(name) && name === name.toLowerCase(), `the header name ${JSON.stringify(name)}`);
    insist(/^[\t\x20-\x7e\x80-\xff]*$/.test(value), `the value ${JSON.stringify(value)}`);
    // Where values were joined, an empty one may be the last.
    insist(!/^[\t ]|[^,;][\t ]$/.test(value), `white space around ${JSON.stringify(value)}`);
  }
}

function judgeRequest(request: OpeningRequest): void {
  insist(/^\/[\x21-\x22\x24-\x7e]*$/.test(request.target), `the target ${JSON.stringify(request.target)}`);
  insist(Buffer.from(request.key, 'base64').length === 16, `the key ${request.key}`);
  for (const subprotocol of request.subprotocols) {
    insist(TOKEN.test(subprotocol), `the subprotocol ${JSON.stringify(subprotocol)}`);
    insistLines(acceptResponse(request.key, subprotocol), 6);
  }
}

/** That an answer has so many lines, and then an empty one. */
function insistLines(response: Uint8Array, count: number): void {
  const lines = latin1Of(response).split('\r\n');
  insist(lines.length === count + 1 && !lines.some((line) => /[\r\n\0]/.test(line)), `answered ${lines}`);
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Where Node refuses what we take, and no harm is in it. */
const TAKEN_BY_US_ALONE: Readonly<Record<string, (request: OpeningRequest, head: RequestHead) => boolean>> = {
  // RFC 9112 §2.3: a higher minor version is to be understood as 1.1. llhttp knows no other.
  HPE_INVALID_VERSION: (_, { version }) => version !== 'HTTP/1.1',
  // RFC 9112 §5: a tab behind a value is no part of it.
  HPE_INVALID_CONTENT_LENGTH: ({ headers }) => headers.get('content-length') === '0',
};

function judgeByNode(request: OpeningRequest, head: RequestHead, rest: Uint8Array, node: NodeAnswer): void {
  if (node.kind === 'refused') {
    insist(
      TAKEN_BY_US_ALONE[node.code]?.(request, head) === true,
      `Node refuses it with ${node.code}, we do not`,
    );
    return;
  }
  insist(node.kind === 'upgrade', `to Node it is no upgrade: ${JSON.stringify(node)}`);
  insistSame(
    [node.method, node.target, node.version],
    [head.method, head.target, head.version],
    'Node reads',
  );
  insistSame(folded(node.rawHeaders), head.headers, 'the fields that Node reads');
  insistSame(latin1Of(node.rest), latin1Of(rest), 'what Node takes for the bytes behind the head');
}

/** Fields as our parser gives them. */
function folded(raw: readonly string[]): Map<string, string> {
  const fields = new Map<string, string>();
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase();
    const earlier = fields.get(name);
    const separator = name === 'cookie' ? '; ' : ', ';
    fields.set(name, earlier === undefined ? raw[i + 1]! : `${earlier}${separator}${raw[i + 1]}`);
  }
  return fields;
}

const GOOD = [
  'Host: a',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
];

const FIELDS = [
  ...GOOD,
  'Host: b:80',
  'HOST:\tc',
  'upgrade: h2c, WebSocket',
  'Connection: keep-alive, upgrade',
  'connection:close',
  'Sec-WebSocket-Protocol: chat, superchat',
  'Sec-WebSocket-Protocol: chat,, ,x',
  'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits',
  'Sec-WebSocket-Extensions: a;b="c\\d", e',
  'Content-Length: 0',
  'Content-Length: 5',
  'Transfer-Encoding: chunked',
  'Cookie: a=b; c=d',
  'Cookie: e=\xe9',
  'Origin: http://a',
  '__proto__: x',
  'X:',
  'X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
];

/** What has been made use of to smuggle requests. */
const ODD = [
  ' ',
  '\t',
  '\r',
  '\n',
  '\0',
  ':',
  '\r\n',
  '\n\n',
  '\r\n ',
  '\x0b',
  '\x7f',
  '\xa0',
  ' :',
  '\r\r\n',
  ';',
  ',',
];

const TARGETS = [
  '/',
  '/a?b=c',
  'http://a/b',
  'ws://a?x',
  'WS://a:1/',
  '*',
  'a:443',
  '//a',
  '/%00',
  '/a#b',
  '/"<>',
];

const REQUEST_LINE = fc
  .tuple(
    fc.constantFrom('GET', 'GET', 'GET', 'GET', 'POST', 'HEAD', 'get', 'CONNECT', 'PRI'),
    fc.constantFrom(...TARGETS),
    fc.constantFrom(
      'HTTP/1.1',
      'HTTP/1.1',
      'HTTP/1.1',
      'HTTP/1.1',
      'HTTP/1.0',
      'HTTP/1.9',
      'HTTP/2.0',
      'http/1.1',
    ),
  )
  .map((parts) => parts.join(' '));

const HEAD = fc
  .tuple(
    fc.constantFrom('', '', '', '\r\n', '\r\n\r\n', '\n'),
    REQUEST_LINE,
    fc.array(fc.constantFrom(...FIELDS), { maxLength: 6 }),
    fc.boolean(),
    fc.constantFrom('', '', '\x81\x80\x00\x00\x00\x00', 'GET / HTTP/1.1\r\n\r\n'),
    fc.array(fc.tuple(fc.nat(), fc.constantFrom(...ODD)), { maxLength: 2 }),
    fc.boolean(),
    // Mostly nothing; else up to where the bound is, and over it.
    fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.integer({ min: 850, max: 1_250 })),
  )
  .map(([before, line, extra, good, rest, odd, oddly, padding]) => {
    const fields = good ? [...GOOD, ...extra] : [...extra];
    if (padding > 0) fields.push(`X-Padding: ${'p'.repeat(padding)}`);
    let text = `${before}${[line, ...fields].join('\r\n')}\r\n\r\n${rest}`;
    for (const [place, what] of oddly ? odd : []) {
      const at = place % text.length;
      text = text.slice(0, at) + what + text.slice(at);
    }
    return latin1(text);
  });

export const requestHead: Target = {
  name: 'request-head',
  about: "request head and handshake checks: any cuts, bounds, and Node's parser",
  inputs: HEAD,
  words: [...FIELDS.map((field) => `${field}\r\n`), ...ODD, ...TARGETS, ' HTTP/1.1', 'chunked', 'websocket'],
  async run(input) {
    let first: Outcome | undefined;
    for (const pieces of cutsOf(input)) {
      const outcome = parse(pieces);
      first ??= outcome;
      insistSame(outcome, first, `cut into ${pieces.length}`);
    }
    const { head, length, over } = first!;
    insist(over !== 'more' || input.length < LIMITS.headBytes, `${input.length} bytes are not enough`);
    if (head === undefined || length === undefined) return;
    judgeHead(head, length);
    let request: OpeningRequest | undefined;
    const fault = faultOf(() => {
      request = checkRequest(head);
    });
    if (fault !== undefined) insist(fault.status >= 400, `${fault.code} answers ${fault.status}`);
    if (fault !== undefined) refusalResponse(fault.status, fault.message);
    if (request === undefined) return;
    judgeRequest(request);
    judgeByNode(request, head, input.subarray(length), await askNode(input));
  },
};
