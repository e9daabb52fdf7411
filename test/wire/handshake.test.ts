/** The opening handshake on the wire: RFC 6455 §4, and of HTTP what it rests on (RFC 9110, RFC 9112). */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { byteByByte, cutAt, Random, randomCuts, SEED } from '../support/randomness.ts';
import { hex, RawClient, type RequestOptions, request, SAMPLE_KEY, TEXT } from '../support/raw-client.ts';
import { expectRunning, expectStillEchoing } from '../support/still-serving.ts';
import { refusingPort } from '../support/tcp-peer.ts';

let echo: Daemon;
let chat: Daemon;
let first: Daemon;
let deadPeer: Daemon;
let refusing: Awaited<ReturnType<typeof refusingPort>>;

beforeAll(async () => {
  refusing = await refusingPort();
  [echo, chat, first, deadPeer] = await Promise.all([
    startDaemon(['-c', 'host=echo://']),
    startDaemon(['-c', 'host=echo://', '-c', 'protocol=chat']),
    startDaemon(['-c', 'host=echo://', '-c', 'protocol=*']),
    startDaemon(['-c', `host=tcp://127.0.0.1:${refusing.port}`]),
  ]);
});

afterAll(async () => {
  refusing.release();
  await Promise.all([echo, chat, first, deadPeer].map((daemon) => daemon?.stop('SIGKILL')));
});

/** "Hello" in a masked text frame (§5.7). */
const HELLO = hex('81 85 37fa213d 7f9f4d5158');

/** Sends a head, expects the 101, and sees that frames work behind it. */
async function accepts(daemon: Daemon, head: Buffer, protocol?: string): Promise<void> {
  const client = await RawClient.connect(daemon);
  client.send(head);
  const response = await client.expectAccepted();
  expect(response.fields.get('sec-websocket-protocol')).toEqual(
    protocol === undefined ? undefined : [protocol],
  );
  client.send(HELLO);
  await client.expectMessage(TEXT, 'Hello');
  client.stream.end();
}

async function refuses(head: Buffer, status: number, method = 'GET'): Promise<void> {
  const client = await RawClient.connect(echo);
  client.send(head);
  await client.expectRefused(status, method);
  client.stream.end();
}

/** A request whose head is exactly this long. */
function headOfLength(length: number): Buffer {
  const bare = request({ add: ['X-Filler: '] }).length;
  const head = request({ add: [`X-Filler: ${'x'.repeat(length - bare)}`] });
  expect(head.length).toBe(length);
  return head;
}

/** A request with exactly this many header fields. */
function headWithFields(count: number): Buffer {
  const filler = Array.from({ length: count - 5 }, (_, i) => `X-${i}: y`);
  return request({ add: filler });
}

describe.concurrent('a request that is taken', () => {
  const cases: [string, RequestOptions][] = [
    ['with nothing but what §4.1 requires', {}],
    ['with the target /', { requestLine: 'GET / HTTP/1.1' }],
    ['with a query in its target', { requestLine: 'GET /v1?address=host:80&x=%20 HTTP/1.1' }],
    [
      'with an absolute http target (§4.1 item 2)',
      { requestLine: 'GET http://server.example.com/chat HTTP/1.1' },
    ],
    [
      'with an absolute https target',
      { requestLine: 'GET https://server.example.com:443/chat?x=1 HTTP/1.1' },
    ],
    ['with an absolute target without a path', { requestLine: 'GET http://server.example.com HTTP/1.1' }],
    ['with HTTP/1.2, a higher minor version (§4.1: 1.1 or higher)', { requestLine: 'GET /chat HTTP/1.2' }],
    ['behind one empty line (RFC 9112 §2.2)', { requestLine: '\r\nGET /chat HTTP/1.1' }],
    ['with "WebSocket" in other capitals (§4.2.1 item 3)', { replace: { Upgrade: 'WebSocket' } }],
    ['with "upgrade" in other capitals (§4.2.1 item 4)', { replace: { Connection: 'uPGRADE' } }],
    [
      'with more tokens in Connection, as Firefox sends them',
      { replace: { Connection: 'keep-alive, Upgrade' } },
    ],
    ['with more Connection tokens and no blanks', { replace: { Connection: 'Upgrade,keep-alive' } }],
    [
      'with Connection in two fields',
      { replace: { Connection: 'keep-alive' }, add: ['Connection: Upgrade'] },
    ],
    ['with Connection in two fields, upgrade first', { add: ['Connection: keep-alive'] }],
    ['with another protocol offered in Upgrade', { replace: { Upgrade: 'h2c, websocket' } }],
    ['with Upgrade in two fields', { replace: { Upgrade: 'h2c' }, add: ['upgrade: websocket'] }],
    ['with Content-Length: 0', { add: ['Content-Length: 0'] }],
    [
      'with an Origin, a cookie and the like',
      { add: ['Origin: http://example.com', 'Cookie: a=b; c=d', 'DNT: 1'] },
    ],
    ['with an empty field value', { add: ['X-Empty:'] }],
    [
      'with an extension offered (§9.1), which it does not get',
      { add: ['Sec-WebSocket-Extensions: foo, bar; baz=2'] },
    ],
    [
      'with permessage-deflate offered as browsers do, which it does not get',
      { add: ['Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits'] },
    ],
    ['with a quoted extension parameter (§9.1)', { add: ['Sec-WebSocket-Extensions: foo; x="10"; y'] }],
    [
      'with extensions in two fields',
      { add: ['Sec-WebSocket-Extensions: foo', 'Sec-WebSocket-Extensions: bar;x=1 , baz'] },
    ],
  ];
  test.each(cases)('%s', async (_, options) => {
    await accepts(echo, request(options));
  });

  test('with field names in lower case (RFC 9110 §5.1)', async () => {
    const head = request().toString('latin1');
    await accepts(echo, Buffer.from(head.replace(/^[\w-]+:/gm, (name) => name.toLowerCase())));
  });

  test('with field names in upper case', async () => {
    const head = request().toString('latin1');
    await accepts(echo, Buffer.from(head.replace(/^[\w-]+:/gm, (name) => name.toUpperCase())));
  });

  test('with blanks and tabs around every value (RFC 9112 §5.1)', async () => {
    const head = request().toString('latin1');
    await accepts(echo, Buffer.from(head.replace(/^([\w-]+): (.*)\r$/gm, '$1:\t  $2 \t \r')));
  });

  test('with no blank behind any colon', async () => {
    const head = request().toString('latin1');
    await accepts(echo, Buffer.from(head.replace(/^([\w-]+): /gm, '$1:')));
  });

  test('with its fields in another order', async () => {
    const [line, ...rest] = request().toString('latin1').trimEnd().split('\r\n');
    await accepts(echo, Buffer.from(`${[line, ...rest.reverse()].join('\r\n')}\r\n\r\n`));
  });

  test('with another key, answered by its own accept value (§4.2.2 item 5.4)', async () => {
    const client = await RawClient.connect(echo);
    client.send(request({ replace: { 'Sec-WebSocket-Key': 'x3JJHMbDL1EzLkh9GBhXDw==' } }));
    await client.expectAccepted('HSmrc0sMlYUkAGmm5OPpG2HaGWk=');
  });

  test('with a head of 16 KiB', async () => {
    await accepts(echo, headOfLength(16_384));
  });

  test('with 100 header fields', async () => {
    await accepts(echo, headWithFields(100));
  });
});

describe.concurrent('a request that arrives in pieces', () => {
  test('is taken byte by byte', async () => {
    const client = await RawClient.connect(echo);
    await client.sendPieces(byteByByte(Buffer.concat([request(), HELLO])));
    await client.expectAccepted();
    await client.expectMessage(TEXT, 'Hello');
  });

  test('is taken byte by byte behind an empty line', async () => {
    const client = await RawClient.connect(echo);
    await client.sendPieces(byteByByte(request({ requestLine: '\r\nGET /chat HTTP/1.1' })));
    await client.expectAccepted();
    await client.expectOpen();
  });

  test('is refused byte by byte as it is in one piece', async () => {
    const client = await RawClient.connect(echo);
    await client.sendPieces(byteByByte(request({ replace: { 'Sec-WebSocket-Version': '8' } })));
    await client.expectRefused(426);
  });

  test.each(Array.from({ length: 20 }, (_, i) => SEED + i))(
    'is taken at random cuts, with frames behind it (TEST_SEED=%i)',
    async (seed) => {
      const random = new Random(seed);
      const all = Buffer.concat([request({ add: ['Origin: http://example.com'] }), HELLO, HELLO]);
      const client = await RawClient.connect(echo);
      await client.sendPieces(randomCuts(all, random.int(2, 30), random));
      await client.expectAccepted();
      await client.expectMessage(TEXT, 'Hello');
      await client.expectMessage(TEXT, 'Hello');
    },
  );

  // Offsets from the end of the head: in CRLF CRLF, right behind it, and in the frame.
  test.each([-4, -3, -2, -1, 0, 1, 2, 6, 10])(
    'is taken when cut %i bytes from the end of its head',
    async (offset) => {
      const head = request();
      const client = await RawClient.connect(echo);
      await client.sendPieces(cutAt(Buffer.concat([head, HELLO]), [head.length + offset]));
      await client.expectAccepted();
      await client.expectMessage(TEXT, 'Hello');
    },
  );

  test('is taken when every line arrives without its LF, which comes with the next', async () => {
    const head = request();
    const places = [...head.keys()].filter((i) => head[i] === 0x0a);
    const client = await RawClient.connect(echo);
    await client.sendPieces(cutAt(head, places));
    await client.expectAccepted();
    await client.expectOpen();
  });
});

describe.concurrent('frames in the same write as the request', () => {
  test('are answered behind the 101', async () => {
    const client = await RawClient.connect(echo);
    // "Hello" masked, then a masked ping "Hello" (§5.7)
    client.send(request(), HELLO, '89 85 37fa213d 7f9f4d5158');
    await client.expectAccepted();
    const frames = [await client.readFrame(), await client.readFrame()];
    expect(frames.map((frame) => frame.opcode).sort()).toEqual([0x1, 0xa]);
    expect(frames.map((frame) => frame.payload.toString())).toEqual(['Hello', 'Hello']);
  });

  test('are answered when they are a Close', async () => {
    const client = await RawClient.connect(echo);
    client.send(request(), '88 82 00000000 03e8');
    await client.expectAccepted();
    await client.expectCloseEcho(1000);
  });

  test('fail the connection when they are wrong, but behind the 101', async () => {
    const client = await RawClient.connect(echo);
    client.send(request(), '81 05 48656c6c6f'); // not masked (§5.1)
    await client.expectAccepted();
    await client.expectFailed(1002);
  });

  test('are not held against the limit on the head', async () => {
    const client = await RawClient.connect(echo);
    // 100,000 bytes of "a" (masked with zeros) behind a head of 16,000
    client.send(headOfLength(16_000), '81 ff 00000000000186a0 00000000', Buffer.alloc(100_000, 'a'));
    await client.expectAccepted();
    await client.expectMessage(TEXT, 'a'.repeat(100_000));
  });

  test('do not hide CRLF from the payload', async () => {
    const client = await RawClient.connect(echo);
    client.send(request(), '81 88 00000000 0d0a0d0a0d0a0d0a');
    await client.expectAccepted();
    await client.expectMessage(TEXT, '\r\n\r\n\r\n\r\n');
  });
});

describe.concurrent('400 for a request', () => {
  const without = (name: string): RequestOptions => ({ replace: { [name]: null } });
  const key = (value: string): RequestOptions => ({ replace: { 'Sec-WebSocket-Key': value } });
  const line = (requestLine: string): RequestOptions => ({ requestLine });
  const protocol = (value: string): RequestOptions => ({ add: [`Sec-WebSocket-Protocol: ${value}`] });
  const extensions = (value: string): RequestOptions => ({ add: [`Sec-WebSocket-Extensions: ${value}`] });

  const cases: [string, RequestOptions][] = [
    ['without Host (RFC 9112 §3.2)', without('Host')],
    ['with two Host fields', { add: ['Host: server.example.com'] }],
    ['with two Host fields, in different capitals', { add: ['hOST: other.example.com'] }],

    ['without a key (§4.2.1 item 5)', without('Sec-WebSocket-Key')],
    ['with an empty key', key('')],
    ['with a key of 15 bytes', key('dGhlIHNhbXBsZSBub25j')],
    ['with a key of 17 bytes', key('dGhlIHNhbXBsZSBub25jZSE=')],
    ['with a key of 16 characters, not 16 bytes', key('dGhlIHNhbXBsZSBu')],
    ['with a key without its padding', key('dGhlIHNhbXBsZSBub25jZQ')],
    ['with a key with half its padding', key('dGhlIHNhbXBsZSBub25jZQ=')],
    ['with a key with too much padding', key('dGhlIHNhbXBsZSBub25jZQ===')],
    ['with a blank in its key', key('dGhlIHNhbXBs ZSBub25jZQ==')],
    ['with a key in the URL alphabet of base64', key('dGhlIHNhb-Bs_SBub25jZQ==')],
    ['with a key that is not base64', key('!!!!!!!!!!!!!!!!!!!!!!==')],
    ['with two keys', { add: [`Sec-WebSocket-Key: ${SAMPLE_KEY}`] }],
    ['with two keys in one field', key(`${SAMPLE_KEY}, ${SAMPLE_KEY}`)],
    ['with two version fields', { add: ['Sec-WebSocket-Version: 13'] }],

    ['with a body: Content-Length', { add: ['Content-Length: 5'] }],
    ['with a Content-Length that is not a number', { add: ['Content-Length: abc'] }],
    ['with a body: Transfer-Encoding', { add: ['Transfer-Encoding: chunked'] }],
    ['with a body both ways', { add: ['Content-Length: 0', 'Transfer-Encoding: chunked'] }],

    ['of HTTP/1.0 (§4.2.1 item 1)', line('GET /chat HTTP/1.0')],
    ['of HTTP/0.9', line('GET /chat HTTP/0.9')],
    ['of HTTP/2.0', line('GET /chat HTTP/2.0')],
    ['of HTTP/1.10, which is no version (RFC 9112 §2.3)', line('GET /chat HTTP/1.10')],
    ['of HTTP/1', line('GET /chat HTTP/1')],
    ['of http/1.1, since the name is case-sensitive', line('GET /chat http/1.1')],
    ['of HTTPS/1.1', line('GET /chat HTTPS/1.1')],
    ['with no version in its line', line('GET /chat')],
    ['with no target in its line', line('GET HTTP/1.1')],
    ['with an empty target', line('GET  HTTP/1.1')],
    ['with two blanks before the target (RFC 9112 §3)', line('GET  /chat HTTP/1.1')],
    ['with two blanks before the version', line('GET /chat  HTTP/1.1')],
    ['with a blank at the end of its line', line('GET /chat HTTP/1.1 ')],
    ['with a blank at the start of its line', line(' GET /chat HTTP/1.1')],
    ['with a tab in its line', line('GET\t/chat HTTP/1.1')],
    ['with a blank in its target', line('GET /cha t HTTP/1.1')],
    ['with a method that is no token', line('G@T /chat HTTP/1.1')],
    ['with a line of one word', line('hello')],
    ['with a target without a slash', line('GET chat HTTP/1.1')],
    ['with the target * (RFC 9112 §3.2.4)', line('GET * HTTP/1.1')],
    ['with a fragment in its target (§3)', line('GET /chat#here HTTP/1.1')],

    ['with a field that has no colon', { add: ['X-Nothing'] }],
    ['with a field that has no name', { add: [': value'] }],
    ['with a blank before the colon (RFC 9112 §5.1)', { add: ['X-Field : value'] }],
    ['with a tab before the colon', { add: ['X-Field\t: value'] }],
    [
      'with a blank before the colon of Host',
      { replace: { Host: null }, add: ['Host : server.example.com'] },
    ],
    ['with a blank in a field name', { add: ['X Field: value'] }],
    ['with a folded field (RFC 9112 §5.2)', { add: ['X-Field: one', ' two'] }],
    ['with a field folded by a tab', { add: ['X-Field: one', '\ttwo'] }],
    ['with a folded field that is empty', { add: ['X-Field: one', ' '] }],
    ['with white space before the first field', { requestLine: 'GET /chat HTTP/1.1\r\n X-Field: value' }],
    ['with a bare CR in a value (RFC 9112 §2.2)', { add: ['X-Field: one\rtwo'] }],
    ['with a bare CR at the end of a value', { add: ['X-Field: one\r'] }],
    ['with a bare CR in its line', line('GET /ch\rat HTTP/1.1')],
    ['with a bare LF for an end of line', { add: ['X-Field: one\nX-Other: two'] }],
    ['with a bare LF behind its line', { requestLine: 'GET /chat HTTP/1.1\nX-Field: one' }],
    ['with NUL in a value', { add: ['X-Field: one\0two'] }],
    ['with NUL in a field name', { add: ['X-Fi\0eld: one'] }],
    ['with NUL in its target', line('GET /ch\0at HTTP/1.1')],

    ['with the same subprotocol twice (§4.1 item 10)', protocol('chat, chat')],
    [
      'with the same subprotocol in two fields',
      { add: ['Sec-WebSocket-Protocol: chat', 'Sec-WebSocket-Protocol: superchat, chat'] },
    ],
    ['with an empty Sec-WebSocket-Protocol', protocol('')],
    ['with a blank in a subprotocol', protocol('chat super')],
    ['with a separator in a subprotocol', protocol('chat/2')],
    ['with a quoted subprotocol', protocol('"chat"')],
    ['with a subprotocol that is not ASCII', protocol('ch\xe4t')],
    ['with a parameter behind a subprotocol', protocol('chat;x=1')],

    ['with an empty Sec-WebSocket-Extensions (§9.1)', extensions('')],
    ['with a blank in an extension', extensions('foo bar')],
    ['with an extension that is only parameters', extensions('; x=1')],
    ['with an extension parameter that is missing', extensions('foo;')],
    ['with a missing parameter before another extension', extensions('foo;, bar')],
    ['with an extension parameter without a name', extensions('foo; =1')],
    ['with an extension parameter without its value', extensions('foo; x=')],
    ['with two values of an extension parameter', extensions('foo; x=1=2')],
    ['with an open quote in an extension', extensions('foo; x="1')],
    ['with a quoted value that is no token', extensions('foo; x="1 2"')],
    ['with a quoted value that is empty', extensions('foo; x=""')],
    ['with something behind a quoted value', extensions('foo; x="1"2')],
    ['with a quoted extension name', extensions('"foo"')],
    ['with a separator in an extension name', extensions('foo@bar')],
    [
      'with a good extension and a bad one in two fields',
      { add: ['Sec-WebSocket-Extensions: foo', 'Sec-WebSocket-Extensions: b(r'] },
    ],
  ];
  test.each(cases)('%s', async (_, options) => {
    await refuses(request(options), 400);
  });

  test.each(cases)(`%s, in random cuts (TEST_SEED=${SEED})`, async (_, options) => {
    const random = new Random(SEED);
    const head = request(options);
    const client = await RawClient.connect(echo);
    await client.sendPieces(randomCuts(head, random.int(2, 12), random));
    await client.expectRefused(400);
  });

  test('that ends all its lines with a bare LF', async () => {
    await refuses(Buffer.from(request().toString('latin1').replaceAll('\r\n', '\n')), 400);
  });

  test('that ends all its lines with a bare CR', async () => {
    // The CRLF at the end lets a lenient parser believe that it has seen a head.
    await refuses(Buffer.from(`${request().toString('latin1').replaceAll('\r\n', '\r')}\r\n\r\n`), 400);
  });

  test('that is the start of TLS, NUL and bare LF in it', async () => {
    await refuses(hex('16 03 01 00 05 01 00 00 01 00 0a 0d 0a 0d 0a'), 400);
  });

  test('that is bad, byte by byte', async () => {
    const client = await RawClient.connect(echo);
    await client.sendPieces(byteByByte(request({ add: ['X-Field: one', ' two'] })));
    await client.expectRefused(400);
  });
});

describe.concurrent('405 with Allow: GET', () => {
  test.each(['POST', 'PUT', 'OPTIONS', 'get', 'BREW'])('for %s', async (method) => {
    await refuses(request({ requestLine: `${method} /chat HTTP/1.1` }), 405);
  });

  test('for HEAD, without a body (RFC 9110 §9.3.2)', async () => {
    await refuses(request({ requestLine: 'HEAD /chat HTTP/1.1' }), 405, 'HEAD');
  });
});

describe.concurrent('426 with the version that is spoken (§4.4)', () => {
  const cases: [string, RequestOptions][] = [
    ['without Upgrade', { replace: { Upgrade: null } }],
    ['with another Upgrade', { replace: { Upgrade: 'h2c' } }],
    ['with "websocket" as a part of another word', { replace: { Upgrade: 'websockets' } }],
    ['without Connection', { replace: { Connection: null } }],
    ['with another Connection', { replace: { Connection: 'keep-alive' } }],
    ['with "upgrade" as a part of another word', { replace: { Connection: 'upgraded' } }],
    [
      'with "upgrade" in another token, which blanks do not separate',
      { replace: { Connection: 'keep-alive Upgrade' } },
    ],
    ['without a version', { replace: { 'Sec-WebSocket-Version': null } }],
    ['with version 8', { replace: { 'Sec-WebSocket-Version': '8' } }],
    ['with version 14', { replace: { 'Sec-WebSocket-Version': '14' } }],
    ['with version 130', { replace: { 'Sec-WebSocket-Version': '130' } }],
    [
      'for what a browser sends to see a page',
      {
        requestLine: 'GET / HTTP/1.1',
        replace: {
          Upgrade: null,
          Connection: 'keep-alive',
          'Sec-WebSocket-Key': null,
          'Sec-WebSocket-Version': null,
        },
      },
    ],
  ];
  test.each(cases)('%s', async (_, options) => {
    await refuses(request(options), 426);
  });
});

describe.concurrent('431 for a request', () => {
  test('with a head of one byte over 16 KiB', async () => {
    await refuses(headOfLength(16_385), 431);
  });

  test('with a head that does not end, of 20,000 bytes', async () => {
    await refuses(headOfLength(20_000).subarray(0, -4), 431);
  });

  test('with a line that does not end, of 20,000 bytes', async () => {
    await refuses(Buffer.from(`GET /${'x'.repeat(20_000)}`), 431);
  });

  test('with 101 header fields', async () => {
    await refuses(headWithFields(101), 431);
  });

  test('with 1,000 header fields', async () => {
    await refuses(headWithFields(1_000), 431);
  });
});

describe.concurrent('after an error response', () => {
  test('the client that has sent a mebibyte more still gets all of it, and a FIN', async () => {
    const client = await RawClient.connect(echo);
    client.send(request({ replace: { Host: null } }), Buffer.alloc(1_048_576, 'x'));
    await client.expectRefused(400);
  });

  test('the client that sends valid frames behind the bad head gets no answer to them', async () => {
    const client = await RawClient.connect(echo);
    client.send(request({ replace: { 'Sec-WebSocket-Key': null } }), HELLO, '88 80 00000000');
    await client.expectRefused(400);
  });

  test('the client that sends a valid request behind the bad one gets no answer to it', async () => {
    const client = await RawClient.connect(echo);
    client.send(request({ requestLine: 'POST /chat HTTP/1.1' }), request());
    await client.expectRefused(405);
  });

  test('the client that goes on sending for a while before it reads gets all of it, and a FIN', async () => {
    const client = await RawClient.connect(echo);
    client.stream.socket.pause();
    const more = Array.from({ length: 64 }, () => Buffer.alloc(4_096, 'x'));
    await client.sendPieces([request({ replace: { Host: null } }), ...more]);
    client.stream.socket.resume();
    await client.expectRefused(400);
  });
});

describe.concurrent('the subprotocol (§4.2.2 item 5.5)', () => {
  const offer = (...values: string[]) =>
    request({ add: values.map((value) => `Sec-WebSocket-Protocol: ${value}`) });

  test('is left out when none is configured, whatever the client offers', async () => {
    await accepts(echo, offer('chat, superchat'));
  });

  test('is the configured one when the client offers it', async () => {
    await accepts(chat, offer('chat'), 'chat');
  });

  test('is the configured one among several', async () => {
    await accepts(chat, offer('superchat,chat ,\tmqtt'), 'chat');
  });

  test('is echoed in the spelling of the client', async () => {
    await accepts(chat, offer('superchat, ChAT'), 'ChAT');
  });

  test('is found in the second of two fields', async () => {
    await accepts(chat, offer('superchat', 'chat'), 'chat');
  });

  test('is left out when the client does not offer the configured one', async () => {
    await accepts(chat, offer('superchat, chats, cha'));
  });

  test('is left out when the client offers none', async () => {
    await accepts(chat, request());
  });

  test('is the first offer when * is configured', async () => {
    await accepts(first, offer('mqttv3.1, mqtt'), 'mqttv3.1');
  });

  test('is the first offer of the first field when * is configured', async () => {
    await accepts(first, offer('b', 'a'), 'b');
  });

  test('may use every character of a token (RFC 9110 §5.6.2)', async () => {
    await accepts(first, offer("!#$%&'*+-.^_`|~09azAZ"), "!#$%&'*+-.^_`|~09azAZ");
  });

  test('is left out when * is configured and the client offers none', async () => {
    await accepts(first, request());
  });
});

describe.concurrent('a peer that refuses the connection', () => {
  test('is a 502 before any 101', async () => {
    const client = await RawClient.connect(deadPeer);
    client.send(request());
    const { body } = await client.expectRefused(502);
    // What and where the peer is, is no business of the client's.
    expect(body).not.toContain(String(refusing.port));
    expect(body).not.toMatch(/ECONN|127\.0\.0\.1/);
  });

  test('is a 502 also for a client that has sent frames already', async () => {
    const client = await RawClient.connect(deadPeer);
    client.send(request(), HELLO, HELLO);
    await client.expectRefused(502);
  });

  test('does not matter to a request that is refused anyway', async () => {
    const client = await RawClient.connect(deadPeer);
    client.send(request({ replace: { 'Sec-WebSocket-Version': '7' } }));
    await client.expectRefused(426);
  });
});

describe.concurrent('a client that goes away', () => {
  test('in the middle of its head gets no 101', async () => {
    const client = await RawClient.connect(echo);
    client.send(request().subarray(0, 60));
    client.stream.end();
    expect((await client.stream.rest()).toString('latin1')).not.toMatch(/^HTTP\/1\.1 [123]/);
  });

  test('before its first byte gets no 101', async () => {
    const client = await RawClient.connect(echo);
    client.stream.end();
    expect((await client.stream.rest()).toString('latin1')).not.toMatch(/^HTTP\/1\.1 [123]/);
  });

  test('with a reset in the middle of its head does no harm', async () => {
    const client = await RawClient.connect(echo);
    client.send(request().subarray(0, 60));
    client.stream.reset();
    await accepts(echo, request());
  });
});

test('at the end the daemons run and echo', async () => {
  for (const daemon of [echo, chat, first]) await expectStillEchoing(daemon);
  await expectRunning(deadPeer);
});
