/** One WebSocket as its handler sees it. Requests and frames are literal, and so is every answer. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Fault, type FaultCode } from '../../src/errors.ts';
import { Connection, type ConnectionState } from '../../src/rfc6455/connection.ts';
import type { AcceptOptions } from '../../src/rfc6455/connection-handler.ts';
import { BINARY, TEXT } from '../../src/rfc6455/opcodes.ts';
import type { OpeningLimits } from '../../src/rfc6455/opening.ts';
import { clientFrame, concat, counting, hex, hexOf, latin1, utf8 } from '../support/bytes.ts';
import { eachCut, SEED, SEEDED } from '../support/cuts.ts';
import { RecordingHandler } from '../support/recording-handler.ts';
import { fast, receive } from '../support/through-slabs.ts';

const LIMITS: OpeningLimits = { headBytes: 16_384, headFields: 100, earlyBytes: 64 };

const REQUEST =
  'GET /chat HTTP/1.1\r\n' +
  'Host: server.example.com\r\n' +
  'Upgrade: websocket\r\n' +
  'Connection: Upgrade\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n' +
  'Sec-WebSocket-Protocol: chat, superchat\r\n' +
  'Sec-WebSocket-Version: 13\r\n' +
  '\r\n';

const ACCEPTED =
  'http HTTP/1.1 101 Switching Protocols\r\n' +
  'Upgrade: websocket\r\n' +
  'Connection: Upgrade\r\n' +
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n' +
  '\r\n';

/** A refusal with a body of one line, as the handler records it. */
function refusal(status: string, text: string, fields = 'Connection: close\r\n', body = `${text}\n`): string {
  return (
    `http HTTP/1.1 ${status}\r\nDate: *\r\nContent-Type: text/plain; charset=utf-8\r\n` +
    `Content-Length: ${text.length + 1}\r\n${fields}\r\n${body}`
  );
}

interface Wire {
  readonly connection: Connection;
  readonly handler: RecordingHandler;
  /** Gives the connection bytes in hex, as one chunk, and returns what was seen meanwhile. */
  readonly receive: (digits: string) => string[];
}

function fresh(limits: Partial<OpeningLimits> = {}): Wire {
  const handler = new RecordingHandler();
  const connection = new Connection(handler, { ...LIMITS, ...limits }, fast);
  const receiveHex = (digits: string): string[] => {
    receive(connection, hex(digits));
    return handler.take();
  };
  return { connection, handler, receive: receiveHex };
}

/** With a complete request that nobody has answered yet. */
function deciding(limits: Partial<OpeningLimits> = {}): Wire {
  const wire = fresh(limits);
  receive(wire.connection, latin1(REQUEST));
  wire.handler.take();
  return wire;
}

function open(options: Partial<AcceptOptions> = {}): Wire {
  const wire = deciding();
  wire.connection.accept({ peer: 'stream', messageBytes: 1_000, ...options });
  wire.handler.take();
  return wire;
}

/** What an open connection shows for some frames under every cut; adjacent payload for a stream peer is one line. */
function eachCutOf(digits: string, peer: 'stream' | 'message', messageBytes = 1_000): string[] {
  let first: string[] | undefined;
  eachCut(hex(digits), (pieces) => {
    const { connection, handler } = open({ peer, messageBytes });
    for (const piece of pieces) receive(connection, piece);
    const seen = withoutCuts(handler.take(), peer);
    first ??= seen;
    expect(seen).toEqual(first);
  });
  return first!;
}

/** Frames that are written one behind the other, and payload for a stream, are joined: there the cuts may show. */
function withoutCuts(seen: readonly string[], peer: 'stream' | 'message'): string[] {
  if (peer === 'message') return order(seen, /^(text|binary) /, false);
  return order(seen, /^binary /, true);
}

/**
 * Payload before writes: pongs are written at the end of a chunk, so their place among the payload depends on the cuts.
 * The end, with the Close before it, stays where it is.
 */
function order(seen: readonly string[], isPayload: RegExp, join: boolean): string[] {
  const payload = seen.filter((line) => isPayload.test(line));
  const writes = seen.filter((line) => line.startsWith('write '));
  const rest = seen.filter((line) => !isPayload.test(line) && !line.startsWith('write '));
  const joined = (lines: string[], name: string): string[] =>
    lines.length === 0 ? [] : [name + lines.map((line) => line.slice(name.length)).join('')];
  return [...(join ? joined(payload, 'binary ') : payload), ...joined(writes, 'write '), ...rest];
}

describe('the request', () => {
  test('§4.2: is announced when it is complete, whatever the cuts, and 101 follows accept', () => {
    eachCut(latin1(REQUEST), (pieces) => {
      const { connection, handler } = fresh();
      const results = pieces.map((piece) => receive(connection, piece));
      expect(results).not.toContain(false);
      expect(handler.take()).toEqual(['request /chat']);
      expect(connection.state).toBe('deciding');
      connection.accept({ peer: 'stream', messageBytes: 1 });
      expect(handler.take()).toEqual([ACCEPTED]);
      expect(connection.state).toBe('open');
    });
  });

  test('is handed over as it was parsed', () => {
    const { handler } = deciding();
    expect(handler.requests[0]).toMatchObject({
      target: '/chat',
      key: 'dGhlIHNhbXBsZSBub25jZQ==',
      subprotocols: ['chat', 'superchat'],
      extensions: [],
    });
  });

  test('may be answered while it is announced', () => {
    const { connection, handler } = fresh();
    handler.meanwhile.onRequest = () => connection.accept({ peer: 'stream', messageBytes: 1 });
    receive(connection, concat(latin1(REQUEST), hex('82 81 00000000 61')));
    expect(handler.take()).toEqual(['request /chat', ACCEPTED, 'binary 61']);
    expect(connection.state).toBe('open');
  });

  test('may be rejected while it is announced', () => {
    const { connection, handler } = fresh();
    handler.meanwhile.onRequest = () => connection.reject(404, 'nothing here');
    expect(receive(connection, concat(latin1(REQUEST), hex('82 81 00000000 61')))).toBe(true);
    expect(handler.take()).toEqual([
      'request /chat',
      refusal('404 Not Found', 'nothing here'),
      'closed rejection',
    ]);
  });
});

describe('accept', () => {
  test('§4.2.2 item 5.5: names the subprotocol that was chosen', () => {
    const { connection, handler } = deciding();
    connection.accept({ subprotocol: 'superchat', peer: 'stream', messageBytes: 1 });
    expect(handler.take()).toEqual([ACCEPTED.replace(/\r\n$/, 'Sec-WebSocket-Protocol: superchat\r\n\r\n')]);
  });

  test.for(['other', 'Chat', ''])(
    '§4.2.2 item 4: throws for the subprotocol %j, which was not offered, and the request stays open',
    (subprotocol) => {
      const { connection, handler } = deciding();
      expect(() => connection.accept({ subprotocol, peer: 'stream', messageBytes: 1 })).toThrow(RangeError);
      expect(handler.take()).toEqual([]);
      expect(connection.state).toBe('deciding');
      connection.reject(500, 'internal error');
      expect(handler.take()).toEqual([
        refusal('500 Internal Server Error', 'internal error'),
        'closed rejection',
      ]);
    },
  );

  test('§9: never names an extension, whatever was offered', () => {
    const { connection, handler } = fresh();
    const offer = 'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n';
    receive(connection, latin1(REQUEST.replace(/\r\n$/, offer)));
    connection.accept({ peer: 'stream', messageBytes: 1 });
    expect(handler.take()).toEqual(['request /chat', ACCEPTED]);
  });

  test('before the request is complete, twice, or after the client left: throws, and sends nothing', () => {
    const wires: [ConnectionState, Wire][] = [
      ['head', fresh()],
      ['open', open()],
    ];
    const left = deciding();
    left.connection.receiveEnd();
    wires.push(['closed', left]);
    const rejected = deciding();
    rejected.connection.reject(404, 'x');
    wires.push(['closed', rejected]);
    const closing = open();
    closing.connection.close(1000);
    wires.push(['closing', closing]);
    for (const [state, { connection, handler }] of wires) {
      handler.take();
      for (const subprotocol of [undefined, 'chat']) {
        expect(() => connection.accept({ subprotocol, peer: 'stream', messageBytes: 1 })).toThrow();
        expect(handler.take()).toEqual([]);
        expect(connection.state).toBe(state);
      }
    }
  });
});

describe('a request that is refused by the engine', () => {
  const refused: readonly (readonly [rule: string, request: string, response: string, code: FaultCode])[] = [
    [
      '§4.2.1: what is not HTTP gets 400',
      '\x16\x03\x01',
      refusal('400 Bad Request', 'malformed HTTP request'),
      'head-malformed',
    ],
    [
      '§4.2.1 item 1: HTTP/1.0 gets 400',
      REQUEST.replace('HTTP/1.1', 'HTTP/1.0'),
      refusal('400 Bad Request', 'HTTP/1.1 is required'),
      'version-http',
    ],
    [
      '§4.2.1 item 1: POST gets 405',
      REQUEST.replace('GET', 'POST'),
      refusal('405 Method Not Allowed', 'only GET is accepted', 'Allow: GET\r\nConnection: close\r\n'),
      'method-refused',
    ],
    [
      'RFC 9110 §9.3.2: HEAD gets 405 without a body',
      REQUEST.replace('GET', 'HEAD'),
      refusal('405 Method Not Allowed', 'only GET is accepted', 'Allow: GET\r\nConnection: close\r\n', ''),
      'method-refused',
    ],
    [
      'RFC 9110 §9.3.2: a malformed HEAD gets 400 without a body',
      'HEAD / HTTP/1.1\r\nA B',
      refusal('400 Bad Request', 'malformed HTTP request', 'Connection: close\r\n', ''),
      'head-malformed',
    ],
    [
      '§4.2.1 item 2: without Host it gets 400',
      REQUEST.replace(/Host.*\r\n/, ''),
      refusal('400 Bad Request', 'Host header missing'),
      'host-missing',
    ],
    [
      '§4.2.1 item 3: an ordinary request gets 426',
      'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
      refusal(
        '426 Upgrade Required',
        'this is a WebSocket endpoint',
        'Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n',
      ),
      'upgrade-required',
    ],
    [
      '§4.4: another version gets 426 with the one that is spoken',
      REQUEST.replace('Version: 13', 'Version: 25'),
      refusal(
        '426 Upgrade Required',
        'only WebSocket version 13 is supported',
        'Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n',
      ),
      'version-unsupported',
    ],
    [
      '§4.2.1 item 5: a wrong key gets 400',
      REQUEST.replace('Key: dG', 'Key: '),
      refusal('400 Bad Request', 'Sec-WebSocket-Key must be 16 bytes in base64'),
      'key-invalid',
    ],
    [
      '§11.3.1: a second key gets 400',
      REQUEST.replace(/(Sec-WebSocket-Key.*\r\n)/, '$1$1'),
      refusal('400 Bad Request', 'header must not be repeated'),
      'header-repeated',
    ],
    [
      '§4.1 item 10: a subprotocol named twice gets 400',
      REQUEST.replace('chat, superchat', 'chat, chat'),
      refusal('400 Bad Request', 'malformed Sec-WebSocket-Protocol'),
      'subprotocols-malformed',
    ],
    [
      '§9.1: malformed extensions get 400',
      REQUEST.replace(/\r\n$/, 'Sec-WebSocket-Extensions: a;\r\n\r\n'),
      refusal('400 Bad Request', 'malformed Sec-WebSocket-Extensions'),
      'extensions-malformed',
    ],
    [
      '§3: a fragment gets 400',
      REQUEST.replace('/chat', '/chat#a'),
      refusal('400 Bad Request', 'invalid request target'),
      'target-invalid',
    ],
    [
      'a body gets 400',
      REQUEST.replace(/\r\n$/, 'Content-Length: 6\r\n\r\n'),
      refusal('400 Bad Request', 'a request body is not accepted'),
      'body-refused',
    ],
    [
      '§10.4: more than 16 KiB get 431',
      `GET /${'a'.repeat(17_000)}`,
      refusal('431 Request Header Fields Too Large', 'request head too large'),
      'head-too-large',
    ],
  ];
  test.for(refused)('%s', ([, request, response, code]) => {
    eachCut(latin1(request), (pieces) => {
      const { connection, handler } = fresh();
      for (const piece of pieces) expect(receive(connection, piece)).toBe(true);
      expect(handler.take()).toEqual([response, `closed fault ${code}`]);
      expect(connection.state).toBe('closed');
    });
  });

  test('§7.1.7: nothing behind it is obeyed, neither in its chunk nor in the next', () => {
    const { connection, handler } = fresh();
    receive(connection, latin1(`GET / HTTP/1.0\r\n\r\n${REQUEST}`));
    receive(connection, latin1(REQUEST));
    receive(connection, hex('89 80 00000000'));
    expect(handler.take()).toEqual([
      refusal('400 Bad Request', 'HTTP/1.1 is required'),
      'closed fault version-http',
    ]);
  });
});

describe('a request that is refused from outside', () => {
  test('by reject gets a complete response with the fields that were given', () => {
    const { connection, handler } = deciding();
    connection.reject(401, 'log in first', [['WWW-Authenticate', 'Basic realm="a"']]);
    expect(handler.take()).toEqual([
      refusal(
        '401 Unauthorized',
        'log in first',
        'WWW-Authenticate: Basic realm="a"\r\nConnection: close\r\n',
      ),
      'closed rejection',
    ]);
    expect(connection.state).toBe('closed');
  });

  test('by reject with a field that cannot be sent throws, and can still be answered', () => {
    const { connection, handler } = deciding();
    expect(() => connection.reject(401, 'x', [['A', 'b\r\nC: d']])).toThrow(RangeError);
    expect(handler.take()).toEqual([]);
    connection.accept({ peer: 'stream', messageBytes: 1 });
    expect(handler.take()).toEqual([ACCEPTED]);
  });

  test('by reject before it is complete gets its response, too', () => {
    const { connection, handler } = fresh();
    receive(connection, latin1('GET / HT'));
    connection.reject(503, 'server shutting down');
    expect(handler.take()).toEqual([
      refusal('503 Service Unavailable', 'server shutting down'),
      'closed rejection',
    ]);
  });

  test('RFC 9110 §9.3.2: by reject or fail in the middle of a HEAD request gets no body', () => {
    const rejected = fresh();
    receive(rejected.connection, latin1('HEAD / HT'));
    rejected.connection.reject(503, 'busy');
    expect(rejected.handler.take()[0]).toBe(
      refusal('503 Service Unavailable', 'busy', 'Connection: close\r\n', ''),
    );
    const failed = fresh();
    receive(failed.connection, latin1('HEAD / HT'));
    failed.connection.fail(new Fault('head-timeout'));
    expect(failed.handler.take()[0]).toBe(
      refusal('408 Request Timeout', 'request head not received in time', 'Connection: close\r\n', ''),
    );
  });

  test('by fail before it is complete gets the status of the fault', () => {
    const { connection, handler } = fresh();
    connection.fail(new Fault('head-timeout'));
    expect(handler.take()).toEqual([
      refusal('408 Request Timeout', 'request head not received in time'),
      'closed fault head-timeout',
    ]);
  });

  test('by fail while it is decided on gets the status of the fault, and no internal message', () => {
    const { connection, handler } = deciding();
    connection.fail(new Fault('dial-failed', { host: '10.0.0.1' }, new Error('ECONNREFUSED 10.0.0.1')));
    expect(handler.take()).toEqual([
      refusal('502 Bad Gateway', 'peer unreachable'),
      'closed fault dial-failed',
    ]);
  });

  test('something unforeseen in the handler is 500, with nothing of its message', () => {
    const { connection, handler } = fresh();
    handler.meanwhile.onRequest = () => {
      throw new TypeError('secret');
    };
    expect(() => receive(connection, latin1(REQUEST))).not.toThrow();
    expect(handler.take()).toEqual([
      'request /chat',
      refusal('500 Internal Server Error', 'internal error'),
      'closed fault internal',
    ]);
  });
});

describe('frames that come before accept', () => {
  const frames = hex('82 81 00000000 61  82 82 00000000 62 63  89 81 00000000 70');

  test('§4.2.2: are kept in their order, whatever the cuts, and are obeyed behind the 101', () => {
    const bytes = concat(latin1(REQUEST), frames);
    eachCut(bytes, (pieces) => {
      const { connection, handler } = fresh();
      for (const piece of pieces) receive(connection, piece);
      expect(handler.take()).toEqual(['request /chat']);
      connection.accept({ peer: 'stream', messageBytes: 1 });
      expect(handler.take()).toEqual([ACCEPTED, 'binary 616263', 'write 8a0170']);
      // The rest goes on as if nothing had been.
      receive(connection, hex('82 81 00000000 64'));
      expect(handler.take()).toEqual(['binary 64']);
    });
  });

  test('§4.2.2: a frame may begin before accept and end behind it', () => {
    const { connection, handler } = deciding();
    receive(connection, hex('82 83 00000000 61'));
    connection.accept({ peer: 'message', messageBytes: 3 });
    receive(connection, hex('62 63'));
    expect(handler.take()).toEqual([ACCEPTED, 'binary 616263']);
  });

  test('§10.4: receive returns false from the bound on, and loses nothing', () => {
    const { connection, handler } = deciding({ earlyBytes: 16 });
    expect(receive(connection, hex('82 89 00000000 616263 646566 676869'))).toBe(true);
    expect(receive(connection, hex('82'))).toBe(false);
    expect(receive(connection, hex('83 00000000 6a6b'))).toBe(false);
    connection.accept({ peer: 'stream', messageBytes: 1 });
    expect(handler.take()).toEqual([ACCEPTED, 'binary 6162636465666768696a6b']);
    expect(receive(connection, hex('6c'))).toBe(true);
    expect(handler.take()).toEqual(['binary 6c']);
  });

  test('§10.4: the bound holds for what stands behind the head, too', () => {
    const exact = fresh({ earlyBytes: 7 });
    expect(receive(exact.connection, concat(latin1(REQUEST), hex('82 81 00000000 61')))).toBe(false);
    const less = fresh({ earlyBytes: 8 });
    expect(receive(less.connection, concat(latin1(REQUEST), hex('82 81 00000000 61')))).toBe(true);
    less.connection.reject(404, 'x');
    expect(receive(less.connection, counting(100))).toBe(true);
  });

  test('§5.5.1: a Close among them is answered behind the 101', () => {
    const { connection, handler } = deciding();
    receive(connection, hex('88 82 00000000 03e8'));
    expect(connection.state).toBe('deciding');
    connection.accept({ peer: 'stream', messageBytes: 1 });
    expect(handler.take()).toEqual([ACCEPTED, 'write 880203e8', 'closed client 1000']);
  });

  test('§5.1: a broken one among them fails the connection behind the 101', () => {
    const { connection, handler } = deciding();
    receive(connection, hex('82 81 00000000 61 82 01 62'));
    expect(handler.take()).toEqual([]);
    connection.accept({ peer: 'stream', messageBytes: 1 });
    expect(handler.take()).toEqual([
      ACCEPTED,
      'binary 61',
      `write 881203ea${hexOf(utf8('frame not masked'))}`,
      'closed fault mask-missing',
    ]);
  });

  test('are dropped by a refusal', () => {
    const { connection, handler } = deciding();
    receive(connection, hex('89 80 00000000'));
    connection.reject(404, 'x');
    expect(handler.take()).toEqual([refusal('404 Not Found', 'x'), 'closed rejection']);
  });
});

describe('payload for a stream peer', () => {
  test('§5.4: all that a chunk holds comes side by side at once', () => {
    const { receive } = open();
    expect(receive('82 82 01010101 6060  01 81 00000000 6b  00 80 00000000  80 83 ff00ff00 926f91')).toEqual([
      'binary 61616b6d6f6e',
    ]);
  });

  test('§5.3, §6.2: is the same under every cut', () => {
    const digits =
      '82 82 01010101 6060  01 81 00000000 6b  89 80 00000000  80 83 ff00ff00 926f91  82 80 00000000';
    expect(eachCutOf(digits, 'stream')).toEqual(['binary 61616b6d6f6e', 'write 8a00']);
  });

  test('§5.4: goes on before its frame and its message end', () => {
    const { receive } = open();
    expect(receive('01 85 00000000 61 62')).toEqual(['binary 6162']);
    expect(receive('63')).toEqual(['binary 63']);
    expect(receive('64 65')).toEqual(['binary 6465']);
    expect(receive('80 81 00000000')).toEqual([]);
    expect(receive('66')).toEqual(['binary 66']);
  });

  test('an empty message leaves no trace', () => {
    const { receive } = open();
    expect(receive('82 80 00000000 81 80 00000000')).toEqual([]);
  });

  test('control frames between the messages do not part them', () => {
    const { receive } = open();
    expect(receive('82 81 00000000 61  89 81 00000000 70  8a 80 00000000  82 81 00000000 62')).toEqual([
      'binary 6162',
      'write 8a0170',
    ]);
  });

  test('lies in the chunk that was received, if that is the connection’s own', () => {
    const { connection, handler } = open();
    const chunk = hex('82 81 00000000 61 82 81 00000000 62');
    connection.receive(chunk);
    expect(handler.payloads[0]!.buffer).toBe(chunk.buffer);
  });

  test('§10.4: there is no message limit, since nothing is collected', () => {
    const { connection, receive } = open({ messageBytes: 1 });
    expect(receive('82 ff 001fffffffffffff 00000000 61 62')).toEqual(['binary 6162']);
    expect(connection.state).toBe('open');
  });
});

describe('payload for a message peer', () => {
  test('§6.2: is one whole message with its type, whatever the cuts', () => {
    const digits =
      '81 82 01010101 6061  82 81 00000000 00  01 81 00000000 61  89 80 00000000  00 80 00000000  80 82 ffffffff 9d9c ' +
      '81 80 00000000  02 80 00000000 80 80 00000000  02 81 00000000 7a  80 80 00000000';
    expect(eachCutOf(digits, 'message')).toEqual([
      'text 6160',
      'binary 00',
      'text 616263',
      'text ',
      'binary ',
      'binary 7a',
      'write 8a00',
    ]);
  });

  test('§6.2: is not handed on before its last byte', () => {
    const { receive } = open({ peer: 'message' });
    expect(receive('01 82 00000000 61 62  80 82 00000000 63')).toEqual([]);
    expect(receive('64')).toEqual(['text 61626364']);
  });

  test('a whole message in one chunk of the connection’s own is not copied', () => {
    const { connection, handler } = open({ peer: 'message' });
    const chunk = hex('82 81 00000000 61');
    connection.receive(chunk);
    expect(handler.payloads[0]!.buffer).toBe(chunk.buffer);
  });

  test('collected messages keep their bytes when the next one comes', () => {
    const { connection, handler } = open({ peer: 'message' });
    receive(connection, hex('02 81 00000000 61'));
    receive(connection, hex('80 81 00000000 62 02 81 00000000 63'));
    receive(connection, hex('80 81 00000000 64'));
    expect(handler.payloads.map(hexOf)).toEqual(['6162', '6364']);
  });

  test('§10.4: a message of exactly the limit passes, one byte more is 1009 from its header', () => {
    expect(eachCutOf('82 83 00000000 010203', 'message', 3)).toEqual(['binary 010203']);
    expect(eachCutOf('82 84', 'message', 3)).toEqual([
      `write 881303f1${hexOf(utf8('message too large'))}`,
      'closed fault message-too-large',
    ]);
  });

  test('§10.4: fragments count together, and 1009 comes from the header of the one too much', () => {
    expect(eachCutOf('02 82 00000000 0102  89 80 00000000  80 82', 'message', 3)).toEqual([
      `write 8a00881303f1${hexOf(utf8('message too large'))}`,
      'closed fault message-too-large',
    ]);
  });
});

describe('text', () => {
  const tooBad = `write 881903ef${hexOf(utf8('text is not valid UTF-8'))}`;

  test.for(['stream', 'message'] as const)(
    '§5.6: a character may be cut by fragments, for a %s peer',
    (peer) => {
      const seen = eachCutOf('01 81 00000000 e2  00 81 00000000 82  89 80 00000000  80 81 00000000 ac', peer);
      expect(seen).toEqual([peer === 'stream' ? 'binary e282ac' : 'text e282ac', 'write 8a00']);
    },
  );

  test.for(['stream', 'message'] as const)(
    '§8.1: text that is not UTF-8 fails with 1007, for a %s peer',
    (peer) => {
      eachCut(hex('81 83 00000000 61 c0 61  82 81 00000000 62  89 80 00000000'), (pieces) => {
        const { connection, handler } = open({ peer });
        for (const piece of pieces) receive(connection, piece);
        const seen = handler.take();
        expect(seen.slice(-2)).toEqual([tooBad, 'closed fault text-not-utf8']);
        // A stream peer may have seen what was good of it, if that came in a chunk of its own.
        if (peer === 'stream') expect(['', 'binary 61']).toContain(seen.slice(0, -2).join());
        else expect(seen).toHaveLength(2);
      });
    },
  );

  test('§8.1: fails at the first wrong byte, not at the end of the frame or message', () => {
    for (const peer of ['stream', 'message'] as const) {
      const { receive } = open({ peer });
      receive('01 8a 00000000 61 f4');
      expect(receive('90')).toEqual([tooBad, 'closed fault text-not-utf8']);
    }
  });

  test('§8.1: a message that ends within a character fails, also if its last fragment is empty', () => {
    expect(eachCutOf('81 82 00000000 61 c3', 'message')).toEqual([tooBad, 'closed fault text-not-utf8']);
    expect(eachCutOf('01 82 00000000 61 c3  80 80 00000000', 'message')).toEqual([
      tooBad,
      'closed fault text-not-utf8',
    ]);
  });

  test('§8.1: the rest of a character does not come from the next message', () => {
    const { receive } = open({ peer: 'message' });
    expect(receive('81 81 00000000 c3  81 81 00000000 a9')).toEqual([tooBad, 'closed fault text-not-utf8']);
  });

  test('§8.1: a message peer sees nothing of a text that turns bad', () => {
    const { receive } = open({ peer: 'message' });
    expect(receive('01 81 00000000 61 80 81 00000000 ff')).toEqual([tooBad, 'closed fault text-not-utf8']);
  });

  test('§5.6: binary is not looked at', () => {
    expect(eachCutOf('02 81 00000000 c3  80 82 00000000 28ff', 'message')).toEqual(['binary c328ff']);
    expect(eachCutOf('82 83 00000000 c328ff', 'stream')).toEqual(['binary c328ff']);
  });

  test('§8.1: a long text is checked as a short one is', () => {
    for (const [last, fault] of [
      ['c3a9', false],
      ['c328', true],
    ] as const) {
      const { connection, handler } = open({ peer: 'message', messageBytes: 100_000 });
      const payload = concat(utf8('é'.repeat(40_000)), hex(last));
      receive(connection, clientFrame({ opcode: 1, payload }));
      expect(handler.endings.length).toBe(fault ? 1 : 0);
      expect(handler.payloads.length).toBe(fault ? 0 : 1);
    }
  });
});

describe('a Ping', () => {
  test.for(['', '70', '00ff80', 'ab'.repeat(125)])(
    '§5.5.2, §5.5.3: is answered by a Pong with its payload: %s',
    (payload) => {
      const length = payload.length / 2;
      const frame = `89 ${(0x80 + length).toString(16)} 00000000 ${payload}`;
      const pong = `8a${length.toString(16).padStart(2, '0')}${payload}`;
      expect(eachCutOf(frame, 'stream')).toEqual([`write ${pong}`]);
    },
  );

  test('§5.5.2: each of many in a chunk is answered, in one write', () => {
    const { receive } = open();
    expect(receive('89 81 00000000 01  89 80 00000000  89 81 00000000 03')).toEqual([
      'write 8a01018a008a0103',
    ]);
  });

  test('§5.5.3: while the client does not read only the latest is owed a Pong, and gets it when the client reads', () => {
    const { connection, handler, receive } = open();
    handler.writable = false;
    expect(receive('89 81 00000000 01')).toEqual(['write 8a0101']);
    expect(receive('89 81 00000000 02  89 81 00000000 03')).toEqual([]);
    expect(receive('89 81 00000000 04')).toEqual([]);
    handler.writable = true;
    connection.drained();
    expect(handler.take()).toEqual(['write 8a0104']);
    connection.drained();
    expect(handler.take()).toEqual([]);
    expect(receive('89 81 00000000 05')).toEqual(['write 8a0105']);
  });

  test('§5.5.3: the owed Pong may fill the client again', () => {
    const { connection, handler, receive } = open();
    handler.writable = false;
    receive('89 80 00000000');
    receive('89 81 00000000 02');
    connection.drained();
    expect(handler.take()).toEqual(['write 8a0102']);
    expect(receive('89 81 00000000 03')).toEqual([]);
  });

  test('§5.5.2: an owed Pong is not sent behind a Close', () => {
    const { connection, handler, receive } = open();
    handler.writable = false;
    receive('89 80 00000000');
    receive('89 81 00000000 02');
    connection.close(1000);
    expect(handler.take()).toEqual(['write 880203e8']);
    connection.drained();
    expect(handler.take()).toEqual([]);
    connection.receiveEnd();
    connection.drained();
    expect(handler.take()).toEqual(['closed eof']);
  });

  test('§5.5.2: behind the Close of the client is not answered', () => {
    const { receive } = open();
    expect(receive('88 80 00000000  89 80 00000000')).toEqual(['write 8800', 'closed client 1005']);
    expect(receive('89 80 00000000')).toEqual([]);
  });

  test('§5.5.2: of ours has no payload, and a Pong for it or for nothing is ignored', () => {
    const { connection, handler, receive } = open();
    connection.ping();
    expect(handler.take()).toEqual(['write 8900']);
    expect(receive('8a 80 00000000  8a 83 00000000 c0ffee')).toEqual([]);
    expect(connection.state).toBe('open');
  });
});

describe('send', () => {
  test('§6.1: makes one frame of its range, with FIN, its opcode and no mask', () => {
    const { connection, handler } = open();
    connection.send(TEXT, hex('00 48 65 6c 6c 6f 00'), 1, 6);
    connection.send(BINARY, hex(''), 0, 0);
    expect(handler.take()).toEqual(['write 810548656c6c6f', 'write 8200']);
  });

  test('§5.7: 256 bytes take a length of 16 bits', () => {
    const { connection, handler } = open();
    connection.send(BINARY, counting(256), 0, 256);
    expect(handler.take()).toEqual([`write 827e0100${hexOf(counting(256))}`]);
  });

  test('§5.7: 64 KiB take a length of 64 bits', () => {
    const { connection, handler } = open();
    const payload = counting(65_536);
    connection.send(BINARY, payload, 0, 65_536);
    const { bytes, more } = handler.written.at(-1)!;
    const whole = more === undefined ? bytes : concat(bytes, more);
    expect(hexOf(whole.subarray(0, 10))).toBe('827f0000000000010000');
    expect(Buffer.from(payload).equals(whole.subarray(10))).toBe(true);
    expect(handler.take()).toHaveLength(1);
  });

  test('128 KiB go out where they lie, in one write with their header', () => {
    const { connection, handler } = open();
    const memory = counting(131_080);
    connection.send(BINARY, memory, 4, 4 + 131_072);
    expect(handler.take()).toEqual(['write 827f0000000000020000 + 131072']);
    const { more } = handler.written.at(-1)!;
    expect(more!.buffer).toBe(memory.buffer);
    expect(more!.byteOffset).toBe(4);
  });

  test('does nothing before accept, behind a Close and at the end', () => {
    const wires = [fresh(), deciding(), open(), open()];
    wires[2]!.connection.close(1000);
    wires[3]!.connection.receiveEnd();
    for (const { connection, handler } of wires) {
      handler.take();
      connection.send(TEXT, hex('61'), 0, 1);
      connection.ping();
      connection.drained();
      expect(handler.take()).toEqual([]);
    }
  });
});

describe('one write', () => {
  test('for all that one chunk brings about', () => {
    const { connection, handler, receive } = open();
    handler.meanwhile.onPayload = () => connection.send(BINARY, hex('ee'), 0, 1);
    expect(receive('89 81 00000000 01  82 81 00000000 61  89 81 00000000 02')).toEqual([
      'binary 61',
      'write 8a01018a01028201ee',
    ]);
  });

  test('for all between cork and uncork, also when they are nested', () => {
    const { connection, handler } = open();
    connection.cork(100);
    connection.send(TEXT, hex('61'), 0, 1);
    connection.cork(1);
    connection.ping();
    connection.uncork();
    connection.send(BINARY, hex('62'), 0, 1);
    expect(handler.take()).toEqual([]);
    connection.uncork();
    expect(handler.take()).toEqual(['write 8101618900820162']);
    connection.send(BINARY, hex('63'), 0, 1);
    expect(handler.take()).toEqual(['write 820163']);
  });

  test('none for a cork in which nothing is sent', () => {
    const { connection, handler } = open();
    connection.cork(100);
    connection.uncork();
    expect(handler.take()).toEqual([]);
  });

  test('a Close does not wait for the uncork', () => {
    const { connection, handler } = open();
    connection.cork(100);
    connection.send(TEXT, hex('61'), 0, 1);
    connection.close(1001, 'bye');
    expect(handler.take()).toEqual(['write 810161880503e9627965']);
    connection.uncork();
    expect(handler.take()).toEqual([]);
  });

  test('the end does not wait for the uncork either, and comes behind the bytes', () => {
    const { connection, handler } = open();
    connection.cork(100);
    connection.send(TEXT, hex('61'), 0, 1);
    connection.receiveEnd();
    expect(handler.take()).toEqual(['write 810161', 'closed eof']);
    connection.uncork();
    expect(handler.take()).toEqual([]);
  });
});

describe('the closing handshake', () => {
  const codes = [
    ['1000', '88 82 00000000 03e8', '880203e8', '1000'],
    ['1001 and a reason', '88 85 00000000 03e9 627965', '880203e9', '1001 bye'],
    ['4999', '88 82 00000000 1387', '88021387', '4999'],
    ['no code', '88 80 00000000', '8800', '1005'],
  ] as const;
  test.for(codes)(
    '§5.5.1: a Close of the client with %s is answered by its code, and that is the end',
    ([, frame, answer, status]) => {
      const seen = eachCutOf(`${frame} 82 81 00000000 61 c1`, 'stream');
      expect(seen).toEqual([`write ${answer}`, `closed client ${status}`]);
    },
  );

  test('§5.5.1: a second Close of the client is not answered, neither in its chunk nor in the next', () => {
    const { receive } = open();
    expect(receive('88 82 00000000 03e8  88 82 00000000 03e9')).toEqual([
      'write 880203e8',
      'closed client 1000',
    ]);
    expect(receive('88 82 00000000 03e9')).toEqual([]);
  });

  test('§5.5.1: payload before it in the chunk is delivered before the answer', () => {
    const { receive } = open();
    expect(receive('82 81 00000000 61  89 80 00000000  88 80 00000000')).toEqual([
      'binary 61',
      'write 8a008800',
      'closed client 1005',
    ]);
  });

  test('§7.4: in the middle of a fragmented message or character it is obeyed as ever', () => {
    expect(eachCutOf('01 81 00000000 c3  88 82 00000000 03e8', 'message')).toEqual([
      'write 880203e8',
      'closed client 1000',
    ]);
  });

  test('§7.1.2: ours has its code and reason, and ends with the Close of the client', () => {
    const { connection, handler, receive } = open();
    connection.close(1001, 'bye');
    expect(handler.take()).toEqual(['write 880503e9627965']);
    expect(connection.state).toBe('closing');
    expect(receive('88 84 00000000 03e8 6f6b')).toEqual(['closed server 1000 ok']);
    expect(connection.state).toBe('closed');
  });

  test('§7.4.1: 1005 sends a Close without a code', () => {
    const { connection, handler } = open();
    connection.close(1005, 'x');
    expect(handler.take()).toEqual(['write 8800']);
  });

  test.for([0, 999, 1004, 1006, 1015, 2999, 5000])(
    '§7.4: close refuses %i, and the connection stays open',
    (code) => {
      const { connection, handler } = open();
      expect(() => connection.close(code)).toThrow(RangeError);
      expect(handler.take()).toEqual([]);
      expect(connection.state).toBe('open');
      connection.close(1000);
      expect(handler.take()).toEqual(['write 880203e8']);
    },
  );

  test('§5.5.1: nothing is sent behind our Close, whatever is asked for', () => {
    const { connection, handler, receive } = open();
    connection.close(1000);
    handler.take();
    connection.send(TEXT, hex('61'), 0, 1);
    connection.send(BINARY, counting(131_072), 0, 131_072);
    connection.ping();
    connection.close(1001);
    connection.reject(404, 'x');
    connection.drained();
    expect(receive('89 80 00000000')).toEqual([]);
    expect(handler.take()).toEqual([]);
    expect(connection.state).toBe('closing');
  });

  test('§5.5.2: a Ping behind our Close is not answered, since nothing is sent behind it', () => {
    const { connection, handler, receive } = open();
    connection.close(1000);
    handler.take();
    expect(receive('89 81 00000000 70')).toEqual([]);
    expect(receive('88 80 00000000')).toEqual(['closed server 1005']);
  });

  test.for(['stream', 'message'] as const)(
    '§5.5.1: frames that come behind our Close are thrown away, for a %s peer',
    (peer) => {
      const { connection, handler, receive } = open({ peer });
      receive('01 81 00000000 61');
      connection.close(1000);
      handler.take();
      // Also the rest of the message under way, and text that is not UTF-8: nobody will see it.
      expect(receive('80 81 00000000 62  82 81 00000000 63  81 81 00000000 ff  89 80 00000000')).toEqual([]);
      expect(receive('88 80 00000000')).toEqual(['closed server 1005']);
    },
  );

  test('§5.5.1: both at once: the Close of the client is the answer to ours', () => {
    const { connection, handler, receive } = open();
    connection.close(1000);
    handler.take();
    expect(receive('88 82 00000000 03e9')).toEqual(['closed server 1001']);
  });

  test('§7.1.7: a broken frame behind our Close ends the connection without another', () => {
    const { connection, handler, receive } = open();
    connection.close(1000);
    handler.take();
    expect(receive('81 05')).toEqual(['closed fault mask-missing']);
  });

  test('§5.5.1: a malformed answer to our Close ends the connection without another', () => {
    const { connection, handler, receive } = open();
    connection.close(1000);
    handler.take();
    expect(receive('88 81 00000000 03')).toEqual(['closed fault close-malformed']);
  });

  test('§5.5.1: a handler that closes while the payload before the Close of the client is delivered sends one Close', () => {
    const { connection, handler, receive } = open();
    handler.meanwhile.onPayload = () => connection.close(1011, 'peer failed');
    expect(receive('82 81 00000000 61  88 82 00000000 03e8')).toEqual([
      'binary 61',
      `write 880d03f3${hexOf(utf8('peer failed'))}`,
      'closed server 1000',
    ]);
  });

  test('§5.5.1: a handler that fails the connection while the payload before the Close of the client is delivered sends one Close', () => {
    const { connection, handler, receive } = open();
    handler.meanwhile.onPayload = () => connection.fail(new Fault('peer-failed'));
    expect(receive('82 81 00000000 61  88 82 00000000 03e8')).toEqual([
      'binary 61',
      `write 880d03f3${hexOf(utf8('peer failed'))}`,
      'closed fault peer-failed',
    ]);
  });

  test('§5.5.1: a handler that closes while the payload before a broken frame is delivered sends one Close', () => {
    const { connection, handler, receive } = open();
    handler.meanwhile.onPayload = () => connection.close(1011, 'peer failed');
    expect(receive('82 81 00000000 61  81 05')).toEqual([
      'binary 61',
      `write 880d03f3${hexOf(utf8('peer failed'))}`,
      'closed fault mask-missing',
    ]);
  });

  test('a handler that closes while a message is delivered gets no further one of the chunk', () => {
    const { connection, handler, receive } = open({ peer: 'message' });
    handler.meanwhile.onPayload = () => connection.close(1000);
    expect(receive('82 81 00000000 61  82 81 00000000 62  89 80 00000000')).toEqual([
      'binary 61',
      'write 880203e8',
    ]);
  });
});

describe('a Close of ours behind which is still delivered (§5.5.1)', () => {
  /** With our Close behind it. */
  function closing(options: Partial<AcceptOptions> = {}): Wire {
    const wire = open(options);
    wire.connection.close(1001, '', true);
    expect(wire.handler.take()).toEqual(['write 880203e9']);
    return wire;
  }

  test('hands on what comes until the Close of the client, and answers nothing', () => {
    const { connection, receive } = closing();
    expect(receive('82 81 00000000 61  89 81 00000000 70  82 81 00000000 62')).toEqual(['binary 6162']);
    expect(connection.state).toBe('closing');
    expect(receive('88 82 00000000 03e9  82 81 00000000 63')).toEqual(['closed server 1001']);
    expect(connection.lost).toBe(0);
  });

  test('hands on a message that began before it', () => {
    const { connection, handler, receive } = open({ peer: 'message' });
    receive('01 81 00000000 61');
    connection.close(1001, '', true);
    handler.take();
    expect(receive('80 81 00000000 62')).toEqual(['text 6162']);
    expect(receive('88 80 00000000')).toEqual(['closed server 1005']);
  });

  test('hands on what comes before the end of the client’s bytes', () => {
    const { connection, handler, receive } = closing();
    expect(receive('82 81 00000000 61')).toEqual(['binary 61']);
    connection.receiveEnd();
    expect(handler.take()).toEqual(['closed eof']);
  });

  test('hands on what is valid before a broken rule, and ends without another Close', () => {
    const { receive } = closing();
    expect(receive('82 81 00000000 61  81 05')).toEqual(['binary 61', 'closed fault mask-missing']);
  });

  test('sends nothing more, whatever is asked for', () => {
    const { connection, handler } = closing();
    connection.send(TEXT, utf8('x'), 0, 1);
    connection.ping();
    connection.close(1000);
    expect(handler.take()).toEqual([]);
    expect(connection.state).toBe('closing');
  });

  /** To a peer of messages that has taken one, and no more: `digits` wait behind it. */
  function holding(digits: string): Wire {
    const wire = closing({ peer: 'message' });
    wire.handler.taking = false;
    expect(wire.receive(`82 81 00000000 61 ${digits}`)).toEqual(['binary 61']);
    expect(wire.connection.receivable).toBe(false);
    return wire;
  }

  test('holds the client back while the peer takes no more; its Close waits behind that', () => {
    const { connection, handler } = holding('82 81 00000000 62  88 82 00000000 03e9');
    expect(connection.state).toBe('closing');
    handler.taking = true;
    connection.resume();
    expect(handler.take()).toEqual(['binary 62', 'closed server 1001']);
    expect(connection.lost).toBe(0);
  });

  test.for(['receiveEnd', 'vanish'] as const)('%s: what waits is handed on first, then it ends', (how) => {
    const { connection, handler } = holding('82 81 00000000 62');
    connection[how]();
    expect(handler.take()).toEqual([]);
    expect(connection.state).toBe('closing');
    handler.taking = true;
    connection.resume();
    expect(handler.take()).toEqual(['binary 62', 'closed eof']);
    expect(connection.lost).toBe(0);
  });

  test('once discarded is as any other: what waits is counted, and only the Close of the client matters', () => {
    const { connection, handler, receive } = holding('82 82 00000000 6262');
    connection.discard();
    expect(connection.receivable).toBe(true);
    expect(handler.take()).toEqual([]);
    expect(connection.lost).toBe(8);
    expect(receive('82 81 00000000 63')).toEqual([]);
    expect(receive('88 82 00000000 03e9')).toEqual(['closed server 1001']);
  });

  test('once discarded finds a Close of the client that waited already', () => {
    const { connection, handler } = holding('82 82 00000000 6262  88 82 00000000 03e8');
    connection.discard();
    expect(handler.take()).toEqual(['closed server 1000']);
  });

  test('once discarded finds the end of the client’s bytes that waited already', () => {
    const { connection, handler } = holding('82 82 00000000 6262');
    connection.receiveEnd();
    connection.discard();
    expect(handler.take()).toEqual(['closed eof']);
    expect(connection.lost).toBe(8);
  });

  test('is discarded by nothing but a Close of ours: an open connection goes on', () => {
    const { connection, receive } = open();
    connection.discard();
    expect(receive('82 81 00000000 61')).toEqual(['binary 61']);
  });

  test('given up by fail counts what waited', () => {
    const { connection, handler } = holding('82 82 00000000 6262');
    connection.fail(new Fault('close-timeout'));
    expect(handler.take()).toEqual(['closed fault close-timeout']);
    expect(connection.lost).toBe(8);
  });

  test('of a handler that closes while payload is delivered hands on the rest of the chunk', () => {
    const { connection, handler, receive } = open({ peer: 'message' });
    handler.meanwhile.onPayload = () => {
      handler.meanwhile = {};
      connection.close(1001, '', true);
    };
    expect(receive('82 81 00000000 61  82 81 00000000 62  88 82 00000000 03e9')).toEqual([
      'binary 61',
      'write 880203e9',
      'binary 62',
      'closed server 1001',
    ]);
  });

  test('of a handler that discards while payload is delivered gets no more of the chunk', () => {
    const { connection, handler, receive } = closing({ peer: 'message' });
    handler.meanwhile.onPayload = () => connection.discard();
    expect(receive('82 81 00000000 61  82 81 00000000 62  88 82 00000000 03e9')).toEqual([
      'binary 61',
      'closed server 1001',
    ]);
  });
});

describe('a frame that breaks a rule', () => {
  /** The Close that tells of it: its code and its reason. */
  const close = (code: string, reason: string): string =>
    `write 88${(reason.length + 2).toString(16).padStart(2, '0')}${code}${hexOf(utf8(reason))}`;

  const broken: readonly (readonly [rule: string, digits: string, close: string, code: FaultCode])[] = [
    ['§5.2: RSV1', 'c1 80 00000000', close('03ea', 'reserved bits set'), 'rsv-set'],
    ['§5.2: a reserved data opcode', '83 80 00000000', close('03ea', 'reserved opcode'), 'opcode-reserved'],
    [
      '§5.2: a reserved control opcode',
      '8b 80 00000000',
      close('03ea', 'reserved opcode'),
      'opcode-reserved',
    ],
    ['§5.1: no mask', '81 00', close('03ea', 'frame not masked'), 'mask-missing'],
    [
      '§5.2: a length not minimal',
      '82 fe 007d',
      close('03ea', 'payload length not minimal'),
      'length-not-minimal',
    ],
    [
      '§5.2: the top bit of a length',
      '82 ff 8000000000000000',
      close('03ea', 'payload length has its top bit set'),
      'length-invalid',
    ],
    ['§10.4: 2^53 bytes', '82 ff 0020000000000000', close('03f1', 'frame too large'), 'frame-too-large'],
    [
      '§5.5: a control frame of 126 bytes',
      '89 fe 007e',
      close('03ea', 'control frame over 125 bytes'),
      'control-too-long',
    ],
    [
      '§5.5: a fragmented control frame',
      '09 80 00000000',
      close('03ea', 'fragmented control frame'),
      'control-fragmented',
    ],
    [
      '§5.4: a continuation of nothing',
      '80 80 00000000',
      close('03ea', 'continuation without a message'),
      'continuation-unexpected',
    ],
    [
      '§5.4: a message inside another',
      '01 80 00000000 81 80 00000000',
      close('03ea', 'new message inside a fragmented one'),
      'message-interrupted',
    ],
    [
      '§5.5.1: a Close of one byte',
      '88 81 00000000 03',
      close('03ea', 'malformed Close payload'),
      'close-malformed',
    ],
    [
      '§7.4: a Close with 1005',
      '88 82 00000000 03ed',
      close('03ea', 'invalid close code'),
      'close-code-invalid',
    ],
    [
      '§8.1: a Close with a reason that is not UTF-8',
      '88 83 00000000 03e8 ff',
      close('03ef', 'text is not valid UTF-8'),
      'text-not-utf8',
    ],
  ];

  test.for(broken)('%s: is told by a Close, and that is the end', ([, digits, answer, code]) => {
    for (const peer of ['stream', 'message'] as const) {
      expect(eachCutOf(digits, peer)).toEqual([answer, `closed fault ${code}`]);
    }
  });

  test.for(broken)(
    '§7.1.7: %s: what was valid before it is delivered first, nothing behind it is delivered or answered',
    ([, digits, answer, code]) => {
      const before = '82 81 00000000 61  89 81 00000000 70 ';
      const behind = ' 82 81 00000000 62  89 80 00000000  88 80 00000000';
      for (const peer of ['stream', 'message'] as const) {
        const { connection, receive } = open({ peer });
        expect(receive(before + digits + behind)).toEqual([
          'binary 61',
          answer.replace('write ', 'write 8a0170'),
          `closed fault ${code}`,
        ]);
        expect(connection.state).toBe('closed');
        expect(receive(behind)).toEqual([]);
      }
    },
  );

  test('§7.1.7: receive never throws, and takes what comes after the end', () => {
    const { connection, handler } = open();
    expect(receive(connection, hex('c1'))).toBe(true);
    handler.take();
    expect(receive(connection, counting(1_000))).toBe(true);
    expect(handler.take()).toEqual([]);
  });
});

describe('something unforeseen', () => {
  test.for(['stream', 'message'] as const)(
    '§7.4.1: a handler that throws is 1011, with nothing of its message, for a %s peer',
    (peer) => {
      const { connection, handler, receive } = open({ peer });
      handler.meanwhile.onPayload = () => {
        throw new Error('secret');
      };
      expect(receive('82 81 00000000 61')).toEqual([
        'binary 61',
        `write 881003f3${hexOf(utf8('internal error'))}`,
        'closed fault internal',
      ]);
      expect(connection.state).toBe('closed');
    },
  );
});

describe('fail', () => {
  test('§7.1.7: sends the code of the fault and its text, then it is the end', () => {
    const { connection, handler } = open();
    connection.fail(new Fault('stopping', { signal: 'SIGTERM' }));
    expect(handler.take()).toEqual([
      `write 881603e9${hexOf(utf8('server shutting down'))}`,
      'closed fault stopping',
    ]);
  });

  test('§7.4.1: is silent where no Close is of use, since 1006 is never sent', () => {
    const { connection, handler } = open();
    connection.fail(new Fault('client-silent'));
    expect(handler.take()).toEqual(['closed fault client-silent']);
  });

  test('is silent behind our Close', () => {
    const { connection, handler } = open();
    connection.close(1000);
    handler.take();
    connection.fail(new Fault('close-timeout'));
    expect(handler.take()).toEqual(['closed fault close-timeout']);
  });
});

describe('the end of the client’s bytes', () => {
  const states: readonly (readonly [string, () => Wire, string])[] = [
    ['before a byte', () => fresh(), 'head'],
    [
      'in the middle of the head',
      () => {
        const wire = fresh();
        receive(wire.connection, latin1('GET /'));
        return wire;
      },
      'head',
    ],
    ['while its request is decided on', () => deciding(), 'deciding'],
    ['while it is open', () => open(), 'open'],
    [
      'in the middle of a frame',
      () => {
        const wire = open({ peer: 'message' });
        wire.receive('82 82 00000000 61');
        return wire;
      },
      'open',
    ],
    [
      'while we are closing',
      () => {
        const wire = open();
        wire.connection.close(1000);
        return wire;
      },
      'closing',
    ],
  ];
  test.for(states)('§7.1.5: %s is told as such, and nothing is sent', ([, make, state]) => {
    const { connection, handler } = make();
    expect(connection.state).toBe(state);
    handler.take();
    connection.receiveEnd();
    expect(handler.take()).toEqual(['closed eof']);
    expect(connection.state).toBe('closed');
  });

  test('§7.1.4: behind the closing handshake is nothing new', () => {
    const { connection, handler, receive } = open();
    receive('88 80 00000000');
    connection.receiveEnd();
    expect(handler.take()).toEqual([]);
  });
});

describe('the end comes once', () => {
  const ways: readonly (readonly [string, (wire: Wire) => void, 'head' | 'deciding' | 'open'])[] = [
    ['a malformed request', ({ connection }) => receive(connection, latin1('\0')), 'head'],
    ['a refused request', ({ connection }) => receive(connection, latin1('GET / HTTP/1.0\r\n\r\n')), 'head'],
    ['reject', ({ connection }) => connection.reject(404, 'x'), 'deciding'],
    ['fail before accept', ({ connection }) => connection.fail(new Fault('dial-timeout')), 'deciding'],
    ['EOF before accept', ({ connection }) => connection.receiveEnd(), 'deciding'],
    ['the Close of the client', ({ connection }) => receive(connection, hex('88 80 00000000')), 'open'],
    [
      'the answer to our Close',
      ({ connection }) => {
        connection.close(1000);
        receive(connection, hex('88 80 00000000'));
      },
      'open',
    ],
    ['a broken frame', ({ connection }) => receive(connection, hex('c1')), 'open'],
    ['bad text', ({ connection }) => receive(connection, hex('81 81 00000000 ff')), 'open'],
    ['fail', ({ connection }) => connection.fail(new Fault('peer-failed')), 'open'],
    ['a silent fail', ({ connection }) => connection.fail(new Fault('client-stalled')), 'open'],
    ['EOF', ({ connection }) => connection.receiveEnd(), 'open'],
  ];
  test.for(ways)('by %s, and nothing is written or obeyed after it', ([, end, state]) => {
    const wire = state === 'head' ? fresh() : state === 'deciding' ? deciding() : open();
    const { connection, handler } = wire;
    handler.meanwhile.onClosed = () => {
      // All bytes have been given out before, and nobody can bring the connection back from within.
      expect(connection.state).toBe('closed');
      poke(wire);
    };
    end(wire);
    expect(handler.endings).toHaveLength(1);
    expect(handler.seen.at(-1)).toMatch(/^closed /);
    handler.take();
    poke(wire);
    expect(handler.take()).toEqual([]);
    expect(handler.endings).toHaveLength(1);
  });

  function poke({ connection }: Wire): void {
    expect(receive(connection, latin1(REQUEST))).toBe(true);
    receive(connection, hex('82 81 00000000 61  89 80 00000000  88 80 00000000  c1'));
    connection.cork(10);
    connection.send(TEXT, hex('61'), 0, 1);
    connection.uncork();
    connection.ping();
    connection.close(1000);
    connection.drained();
    connection.reject(404, 'x');
    connection.fail(new Fault('internal'));
    connection.receiveEnd();
    expect(() => connection.accept({ peer: 'stream', messageBytes: 1 })).toThrow();
  }
});

describe('the states', () => {
  const NEXT: Readonly<Record<ConnectionState, readonly ConnectionState[]>> = {
    head: ['head', 'deciding', 'closed'],
    deciding: ['deciding', 'open', 'closed'],
    open: ['open', 'closing', 'closed'],
    closing: ['closing', 'closed'],
    closed: ['closed'],
  };

  /** Everything that can happen to a connection. */
  const act: Readonly<Record<string, (wire: Wire) => void>> = {
    request: ({ connection }) => receive(connection, latin1(REQUEST)),
    'half a request': ({ connection }) => receive(connection, latin1('GET / HTT')),
    data: ({ connection }) => receive(connection, hex('82 81 00000000 61')),
    'half a frame': ({ connection }) => receive(connection, hex('82 82 00000000 61')),
    ping: ({ connection }) => receive(connection, hex('89 81 00000000 70')),
    'client close': ({ connection }) => receive(connection, hex('88 82 00000000 03e8')),
    'broken frame': ({ connection }) => receive(connection, hex('c1')),
    eof: ({ connection }) => connection.receiveEnd(),
    accept: ({ connection }) => connection.accept({ peer: 'message', messageBytes: 100 }),
    reject: ({ connection }) => connection.reject(404, 'x'),
    send: ({ connection }) => connection.send(BINARY, hex('62'), 0, 1),
    'our ping': ({ connection }) => connection.ping(),
    close: ({ connection }) => connection.close(1000),
    fail: ({ connection }) => connection.fail(new Fault('peer-failed')),
    'fail silently': ({ connection }) => connection.fail(new Fault('client-silent')),
    full: ({ handler }) => {
      handler.writable = false;
    },
    drained: ({ connection, handler }) => {
      handler.writable = true;
      connection.drained();
    },
    cork: ({ connection }) => connection.cork(0),
    uncork: ({ connection }) => connection.uncork(),
  };

  test(`§5.5.1, §7.1: under any sequence the table is kept, and nothing is written behind a Close (TEST_SEED=${SEED})`, () => {
    const reached = new Set<string>();
    const action = fc.constantFrom(...Object.keys(act));
    const sequence = fc.record({
      // Most sequences get somewhere first.
      start: fc.constantFrom(0, 1, 2, 2, 2),
      actions: fc.array(action, { maxLength: 12 }),
    });
    fc.assert(
      fc.property(sequence, ({ start, actions }) => {
        const wire = fresh();
        const { connection, handler } = wire;
        let corks = 0;
        for (const name of [...['request', 'accept'].slice(0, start), ...actions]) {
          if (name === 'uncork' && corks === 0) continue;
          if (name === 'cork') corks += 1;
          if (name === 'uncork') corks -= 1;
          const before = connection.state;
          if (name === 'accept' && before !== 'deciding') expect(() => act[name]!(wire)).toThrow();
          else act[name]!(wire);
          // Accepting may lead on at once, through frames that came early.
          const next = name === 'accept' && before === 'deciding' ? ['open', 'closed'] : NEXT[before];
          expect(next).toContain(connection.state);
          reached.add(`${before} → ${connection.state}`);
        }
        while (corks > 0) {
          connection.uncork();
          corks -= 1;
        }
        const closed = handler.seen.findIndex((line) => line.startsWith('closed'));
        expect(handler.endings.length).toBe(connection.state === 'closed' ? 1 : 0);
        if (closed >= 0) expect(closed).toBe(handler.seen.length - 1);
        expectOrderlyWire(handler);
      }),
      { ...SEEDED, numRuns: 1_500 },
    );
    expect([...reached].sort()).toEqual(
      [
        'head → head',
        'head → deciding',
        'head → closed',
        'deciding → deciding',
        'deciding → open',
        'deciding → closed',
        'open → open',
        'open → closing',
        'open → closed',
        'closing → closing',
        'closing → closed',
        'closed → closed',
      ].sort(),
    );
  });

  /** What was written is one response, or the 101 and whole unmasked frames, the Close last. */
  function expectOrderlyWire(handler: RecordingHandler): void {
    const bytes = concat(
      ...handler.written.flatMap(({ bytes, more }) => (more === undefined ? [bytes] : [bytes, more])),
    );
    const text = Buffer.from(bytes).toString('latin1');
    if (!text.startsWith('HTTP/1.1 101 ')) {
      expect(text.split('HTTP/1.1 ').length).toBeLessThanOrEqual(2);
      return;
    }
    let at = text.indexOf('\r\n\r\n') + 4;
    while (at < bytes.length) {
      expect([0x82, 0x88, 0x89, 0x8a]).toContain(bytes[at]);
      expect(bytes[at + 1]).toBeLessThan(126);
      const end = at + 2 + bytes[at + 1]!;
      expect(end).toBeLessThanOrEqual(bytes.length);
      if (bytes[at] === 0x88) expect(end).toBe(bytes.length);
      at = end;
    }
  }
});

describe('at random', () => {
  test(`§5: messages come as they were sent, for both kinds of peer and under every cut (TEST_SEED=${SEED})`, () => {
    const text = fc
      .string({ unit: 'binary', maxLength: 90 })
      .map((string) => ({ opcode: 1, bytes: utf8(string) }));
    const binary = fc.uint8Array({ maxLength: 300 }).map((bytes) => ({ opcode: 2, bytes }));
    const message = fc.record({
      content: fc.oneof(text, binary),
      cuts: fc.array(fc.nat(300), { maxLength: 3 }),
      key: fc.uint8Array({ minLength: 4, maxLength: 4 }),
      ping: fc.option(fc.uint8Array({ maxLength: 125 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 4 }), (messages) => {
        const frames: Uint8Array[] = [];
        let pongs = '';
        for (const { content, cuts, key, ping } of messages) {
          const { opcode, bytes } = content;
          const places = cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b);
          for (let i = 0; i <= places.length; i += 1) {
            const payload = bytes.slice(places[i - 1] ?? 0, places[i] ?? bytes.length);
            frames.push(
              clientFrame({ opcode: i === 0 ? opcode : 0, fin: i === places.length, payload, key }),
            );
            if (i === 0 && ping !== undefined) {
              frames.push(clientFrame({ opcode: 9, payload: ping, key }));
              pongs += `8a${ping.length.toString(16).padStart(2, '0')}${hexOf(ping)}`;
            }
          }
        }
        const all = messages.map(({ content }) => hexOf(content.bytes)).join('');
        const pongWrites = pongs === '' ? [] : [`write ${pongs}`];
        eachCut(concat(...frames), (pieces) => {
          const stream = open();
          for (const piece of pieces) receive(stream.connection, piece.slice());
          expect(withoutCuts(stream.handler.take(), 'stream')).toEqual([
            ...(all === '' ? [] : [`binary ${all}`]),
            ...pongWrites,
          ]);
          const whole = open({ peer: 'message' });
          for (const piece of pieces) receive(whole.connection, piece.slice());
          expect(withoutCuts(whole.handler.take(), 'message')).toEqual([
            ...messages.map(
              ({ content }) => `${content.opcode === 1 ? 'text' : 'binary'} ${hexOf(content.bytes)}`,
            ),
            ...pongWrites,
          ]);
        });
      }),
      { ...SEEDED, numRuns: 20 },
    );
  });

  test(`a client that sends anything at all makes nothing throw (TEST_SEED=${SEED})`, () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 8 }),
        fc.nat(2),
        (chunks, start) => {
          const wire = [fresh, deciding, open][start]!();
          for (const chunk of chunks) receive(wire.connection, chunk.slice());
          wire.connection.receiveEnd();
          // Early frames still wait for the answer; unless nobody is there to see it.
          wire.connection.vanish();
          expect(wire.handler.endings).toHaveLength(1);
        },
      ),
      { ...SEEDED, numRuns: 500 },
    );
  });
});
