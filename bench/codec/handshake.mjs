/** The opening handshake: the head that a browser sends, parsed, judged and answered. */
import { createHash } from 'node:crypto';
import { Connection } from '../../dist/src/rfc6455/connection.js';
import { acceptResponse, checkRequest } from '../../dist/src/rfc6455/handshake.js';
import { RequestHeadParser } from '../../dist/src/rfc6455/request-head.js';
import { assertSame, randomBytes } from './inputs.mjs';

/** Heads of a run, each with a key of its own. */
const HEADS = 256;
const LIMITS = { headBytes: 16_384, headFields: 100, earlyBytes: 65_536 };

/** What a browser of today sends, with as many bytes of cookies as wanted. */
export function browserHead(i, cookieBytes = 0) {
  const cookies = Array.from({ length: Math.ceil(cookieBytes / 64) }, (_, at) =>
    `session_${at}=${randomBytes(48, at + i).toString('hex')}`.slice(0, 62),
  );
  const fields = [
    'GET /app/live?room=42&token=a%20b HTTP/1.1',
    'Host: www.example.org',
    'Connection: Upgrade',
    'Pragma: no-cache',
    'Cache-Control: no-cache',
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36',
    'Upgrade: websocket',
    'Origin: https://www.example.org',
    'Sec-WebSocket-Version: 13',
    'Accept-Encoding: gzip, deflate, br, zstd',
    'Accept-Language: en-GB,en;q=0.9,de;q=0.8',
    ...(cookies.length > 0 ? [`Cookie: ${cookies.join('; ')}`] : []),
    `Sec-WebSocket-Key: ${keyOf(i)}`,
    'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits',
    'Sec-WebSocket-Protocol: binary, chat',
  ];
  return Buffer.from(`${fields.join('\r\n')}\r\n\r\n`, 'latin1');
}

const keyOf = (i) => randomBytes(16, i + 1).toString('base64');

export function handshake() {
  return [0, 512].flatMap((cookieBytes) => {
    const heads = Array.from({ length: HEADS }, (_, i) => browserHead(i, cookieBytes));
    const parsed = heads.map((head) => parse(head).head);
    const size = heads[0].length;
    const base = { part: 'handshake', size, item: 'head', items: HEADS, bytes: HEADS * size };
    const sum = (step) => () => {
      let result = 0;
      for (let i = 0; i < HEADS; i += 1) result += step(i);
      return result;
    };
    return [
      {
        ...base,
        name: 'RequestHeadParser',
        run: sum((i) => parse(heads[i]).head.headers.size),
        expected: sum((i) => parsed[i].headers.size)(),
        verify: () => verifyHead(parsed[0], heads[0]),
      },
      {
        ...base,
        name: 'RequestHeadParser, in 8 pieces',
        run: sum((i) => parse(heads[i], Math.ceil(size / 8)).head.headers.size),
        expected: sum((i) => parsed[i].headers.size)(),
        verify: () => verifyHead(parse(heads[0], Math.ceil(size / 8)).head, heads[0]),
      },
      {
        ...base,
        name: 'checkRequest',
        run: sum((i) => checkRequest(parsed[i]).key.length),
        expected: HEADS * 24,
        verify: () => assertSame(Buffer.from(checkRequest(parsed[1]).key), Buffer.from(keyOf(1)), 'key'),
      },
      {
        ...base,
        name: 'acceptResponse',
        run: sum((i) => acceptResponse(parsed[i].headers.get('sec-websocket-key'), 'binary').length),
        expected: HEADS * response(0).length,
        verify: () => assertSame(acceptResponse(keyOf(0), 'binary'), response(0), 'answer'),
      },
      {
        ...base,
        name: 'Connection: new, head, 101',
        run: sum((i) => open(heads[i]).length),
        expected: HEADS * response(0).length,
        verify: () => assertSame(open(heads[2]), response(2), 'answer'),
      },
    ];
  });
}

function parse(head, piece = head.length) {
  const parser = new RequestHeadParser(LIMITS);
  for (let at = 0; at < head.length; at += piece)
    parser.push(piece === head.length ? head : head.subarray(at, at + piece));
  return parser;
}

class OpeningHandler {
  answer;
  request;
  write(bytes) {
    this.answer = bytes;
    return true;
  }
  onRequest(request) {
    this.request = request;
  }
  onPayload() {
    return true;
  }
  onYield() {}
  onReceivable() {}
  onSendable() {}
  onClosed() {}
}

function open(head) {
  const handler = new OpeningHandler();
  const connection = new Connection(handler, LIMITS);
  connection.receive(head);
  connection.accept({ subprotocol: handler.request.subprotocols[0], peer: 'stream', messageBytes: 1 });
  return handler.answer;
}

/** The 101 to key i, made without the code that is measured. */
function response(i) {
  const accept = createHash('sha1')
    .update(`${keyOf(i)}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest('base64');
  return Buffer.from(
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      `Sec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: binary\r\n\r\n`,
  );
}

function verifyHead({ headers }, head) {
  const lines = head.toString('latin1').trimEnd().split('\r\n').slice(1);
  const fields = lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 2)];
  });
  assertSame(Buffer.from(JSON.stringify([...headers])), Buffer.from(JSON.stringify(fields)), 'headers');
}
