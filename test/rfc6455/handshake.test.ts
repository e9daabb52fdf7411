import { describe, expect, test, vi } from 'vitest';
import { Fault } from '../../src/errors.ts';
import {
  acceptKey,
  acceptResponse,
  checkRequest,
  type HeaderList,
  type OpeningRequest,
  refusalResponse,
} from '../../src/rfc6455/handshake.ts';

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

interface Changes {
  readonly method?: string;
  readonly target?: string;
  readonly version?: string;
  /** By lower-case name; null removes a field of the sample request. */
  readonly headers?: Readonly<Record<string, string | null>>;
}

/** The request of §1.2, changed. */
function check({
  method = 'GET',
  target = '/chat',
  version = 'HTTP/1.1',
  headers = {},
}: Changes): OpeningRequest {
  const fields = new Map([
    ['host', 'server.example.com'],
    ['upgrade', 'websocket'],
    ['connection', 'Upgrade'],
    ['sec-websocket-key', KEY],
    ['sec-websocket-version', '13'],
  ]);
  for (const [name, value] of Object.entries(headers)) {
    if (value === null) fields.delete(name);
    else fields.set(name, value);
  }
  return checkRequest({ method, target, version, headers: fields });
}

function faultOf(changes: Changes): string {
  try {
    check(changes);
  } catch (error) {
    if (error instanceof Fault) return `${error.code} ${error.status}`;
    throw error;
  }
  return 'none';
}

const withHeader = (name: string, value: string | null): string => faultOf({ headers: { [name]: value } });

describe('the request', () => {
  test('§4.2.1: the sample of §1.2 is in order', () => {
    const request = check({
      headers: { 'sec-websocket-protocol': 'chat, superchat', origin: 'http://example.com' },
    });
    expect(request.target).toBe('/chat');
    expect(request.key).toBe(KEY);
    expect(request.subprotocols).toEqual(['chat', 'superchat']);
    expect(request.extensions).toEqual([]);
    expect(request.headers.get('origin')).toBe('http://example.com');
  });

  test('§4.2.1 item 10: fields that it does not know do not matter', () => {
    expect(withHeader('x-anything', 'at all, "really"; yes=no')).toBe('none');
    expect(withHeader('cookie', 'a=1; b=2')).toBe('none');
  });
});

describe('the request line', () => {
  test.for(['POST', 'HEAD', 'OPTIONS', 'CONNECT', 'get', 'GETS', 'GE'])(
    '§4.2.1 item 1: the method %s is refused with 405',
    (method) => {
      expect(faultOf({ method })).toBe('method-refused 405');
    },
  );

  test.for(['HTTP/1.1', 'HTTP/1.2', 'HTTP/1.9'])('§4.2.1 item 1: %s is taken', (version) => {
    expect(faultOf({ version })).toBe('none');
  });

  test.for(['HTTP/1.0', 'HTTP/0.9', 'HTTP/2.0', 'HTTP/2.1', 'HTTP/3.1', 'HTTP/9.9'])(
    '§4.2.1 item 1: %s is refused with 400',
    (version) => {
      expect(faultOf({ version })).toBe('version-http 400');
    },
  );

  test.for([
    '',
    'HTTP',
    'HTTP/',
    'HTTP/1',
    'HTTP/1.',
    'HTTP/1.11',
    'HTTP/11.1',
    'HTTP/1,1',
    'http/1.1',
    'HTTPS/1.1',
  ])('RFC 9112 §2.3: the version %j is malformed', (version) => {
    expect(faultOf({ version })).toBe('head-malformed 400');
  });

  test.for(['HTTP/a.1', 'HTTP/1.a', 'HTTP/:.1', 'HTTP/1.:', 'HTTP//.1', 'HTTP/1./'])(
    'RFC 9112 §2.3: %j is malformed, since its version is not made of digits',
    (version) => {
      expect(faultOf({ version })).toBe('head-malformed 400');
    },
  );
});

describe('the target', () => {
  const taken = [
    ['/', '/'],
    ['/?', '/?'],
    ['//', '//'],
    ['/vnc?token=a%20b', '/vnc?token=a%20b'],
    ['/a://b', '/a://b'],
  ] as const;
  test.for(taken)('§3: %s is the resource name as it stands', ([target, resource]) => {
    const request = check({ target });
    expect(request.target).toBe(resource);
    expect(request.headers.get('host')).toBe('server.example.com');
  });

  const absolute = [
    ['http://h', '/', 'h'],
    ['http://h/', '/', 'h'],
    ['https://h:8/a?b', '/a?b', 'h:8'],
    ['ws://h?b=/c', '/?b=/c', 'h'],
    ['WSS://[::1]:1/a', '/a', '[::1]:1'],
    ['http://h//a', '//a', 'h'],
    ['http://h/@', '/@', 'h'],
  ] as const;
  test.for(absolute)('§4.2.1 item 1: %s is reduced to its resource name', ([target, resource, host]) => {
    const request = check({ target });
    expect(request.target).toBe(resource);
    // RFC 9112 §3.2.2.
    expect(request.headers.get('host')).toBe(host);
  });

  test('RFC 9112 §3.2.2: also an absolute target needs a Host field, and the head is left as it was', () => {
    expect(faultOf({ target: 'http://h/', headers: { host: null } })).toBe('host-missing 400');
    const headers = new Map([['host', 'a']]);
    expect(() => checkRequest({ method: 'GET', target: 'http://b/', version: 'HTTP/1.1', headers })).toThrow(
      Fault,
    );
    expect([...headers]).toEqual([['host', 'a']]);
  });

  test.for([
    '',
    '*',
    'chat',
    'h:80',
    '?a',
    '://h/',
    'ftp://h/',
    'file:///a',
    'xhttp://h/',
    'http:/h/',
    'http://',
    'http:///a',
    'http://?a',
    'http://u@h/',
    'http://u:p@h',
  ])('RFC 9112 §3.2: the target %j is refused with 400', (target) => {
    expect(faultOf({ target })).toBe('target-invalid 400');
  });

  test.for(['/#', '/a#b', '/a?b#c', 'http://h/#a', '#'])(
    '§3: the fragment in %s is refused with 400',
    (target) => {
      expect(faultOf({ target })).toBe('target-invalid 400');
    },
  );

  test('§3: an escaped %23 is no fragment', () => {
    expect(check({ target: '/a%23b' }).target).toBe('/a%23b');
  });
});

describe('the fields', () => {
  test('§4.2.1 item 2: without Host it is 400', () => {
    expect(withHeader('host', null)).toBe('host-missing 400');
  });

  test('RFC 9112 §3.2: an empty Host is none missing', () => {
    expect(withHeader('host', '')).toBe('none');
  });

  test.for(['websocket', 'WebSocket', 'WEBSOCKET', 'h2c, websocket', ',websocket ,x'])(
    '§4.2.1 item 3: Upgrade: %s is taken',
    (value) => {
      expect(withHeader('upgrade', value)).toBe('none');
    },
  );

  test.for([null, '', 'h2c', 'websocket/13', 'websockets', 'web socket', 'websocket; x'])(
    '§4.2.1 item 3: Upgrade: %j is 426',
    (value) => {
      expect(withHeader('upgrade', value)).toBe('upgrade-required 426');
    },
  );

  test.for(['Upgrade', 'upgrade', 'keep-alive, Upgrade', 'UPGRADE,close'])(
    '§4.2.1 item 4: Connection: %s is taken',
    (value) => {
      expect(withHeader('connection', value)).toBe('none');
    },
  );

  test.for([null, '', 'keep-alive', 'Upgraded', 'keep-alive Upgrade'])(
    '§4.2.1 item 4: Connection: %j is 426',
    (value) => {
      expect(withHeader('connection', value)).toBe('upgrade-required 426');
    },
  );

  test.for([
    null,
    '',
    '0',
    '7',
    '8',
    '12',
    '14',
    '25',
    '013',
    '13.0',
    '+13',
    '13, 8',
    '8, 13',
    '13 8',
    '1 3',
    '0x0d',
  ])('§4.2.1 item 6: Sec-WebSocket-Version: %j is 426', (value) => {
    expect(withHeader('sec-websocket-version', value)).toBe('version-unsupported 426');
  });

  test.for([KEY, 'AAAAAAAAAAAAAAAAAAAAAA==', '/+0123456789zZaA901+/w==', 'AQIDBAUGBwgJCgsMDQ4PEC=='])(
    '§4.2.1 item 5: the key %s is taken',
    (key) => {
      expect(check({ headers: { 'sec-websocket-key': key } }).key).toBe(key);
    },
  );

  test.for([
    null,
    '',
    'AAAAAAAAAAAAAAAAAAAA',
    'AAAAAAAAAAAAAAAAAAAAA==',
    'AAAAAAAAAAAAAAAAAAAAAAA==',
    'AAAAAAAAAAAAAAAAAAAAAAA=',
    'AAAAAAAAAAAAAAAAAAAAAA=A',
    'AAAAAAAAAAAAAAAAAAAAAAAA',
    'AAAAAAAAAAAAAAAAAAAAA===',
    'AAAAAAAAAA AAAAAAAAAAA==',
    'AAAAAAAAAA-AAAAAAAAAAA==',
    '_AAAAAAAAAAAAAAAAAAAAA==',
    '=AAAAAAAAAAAAAAAAAAAAA==',
    '@AAAAAAAAAAAAAAAAAAAAA==',
    'AAAAAAAAAAAAAAAAAAAAA[==',
    '`AAAAAAAAAAAAAAAAAAAAA==',
    '{AAAAAAAAAAAAAAAAAAAAA==',
    ':AAAAAAAAAAAAAAAAAAAAA==',
    'äAAAAAAAAAAAAAAAAAAAAA==',
    `${KEY}, ${KEY}`,
  ])('§4.2.1 item 5: the key %j is 400', (key) => {
    expect(withHeader('sec-websocket-key', key)).toBe('key-invalid 400');
  });

  test('§4.2.1 item 8: subprotocols keep their order and spelling', () => {
    const { subprotocols } = check({ headers: { 'sec-websocket-protocol': 'v12.stomp,MQTT ,, binary' } });
    expect(subprotocols).toEqual(['v12.stomp', 'MQTT', 'binary']);
  });

  test('§4.1 item 10: subprotocols that differ in case are different', () => {
    const { subprotocols } = check({ headers: { 'sec-websocket-protocol': 'chat, Chat' } });
    expect(subprotocols).toEqual(['chat', 'Chat']);
  });

  test.for(['', ',', ' , ', 'a b', 'a/b', 'a;b', '"a"', 'a, b c', 'ä', 'a, a', 'a, b, a'])(
    '§4.1 item 10: Sec-WebSocket-Protocol: %j is 400',
    (value) => {
      expect(withHeader('sec-websocket-protocol', value)).toBe('subprotocols-malformed 400');
    },
  );

  test('§4.2.1 item 9: extensions are read in their order', () => {
    const value = 'permessage-deflate; client_max_window_bits, x; y="z"';
    expect(check({ headers: { 'sec-websocket-extensions': value } }).extensions).toEqual([
      { name: 'permessage-deflate', parameters: [{ name: 'client_max_window_bits', value: undefined }] },
      { name: 'x', parameters: [{ name: 'y', value: 'z' }] },
    ]);
  });

  test.for(['', ',', 'a;', 'a b', 'a;b="c d"'])(
    '§9.1: Sec-WebSocket-Extensions: %j is 400, though none is ever taken',
    (value) => {
      expect(withHeader('sec-websocket-extensions', value)).toBe('extensions-malformed 400');
    },
  );

  test('a body is refused with 400', () => {
    expect(withHeader('content-length', '1')).toBe('body-refused 400');
    expect(withHeader('content-length', '00')).toBe('body-refused 400');
    expect(withHeader('content-length', '')).toBe('body-refused 400');
    expect(withHeader('transfer-encoding', 'chunked')).toBe('body-refused 400');
    expect(withHeader('transfer-encoding', '')).toBe('body-refused 400');
    expect(withHeader('content-length', '0')).toBe('none');
  });
});

describe('what is told first', () => {
  test('§4.4: a browser that asks for the page hears of the upgrade, not of the version', () => {
    const headers = {
      upgrade: null,
      connection: 'keep-alive',
      'sec-websocket-version': null,
      'sec-websocket-key': null,
    };
    expect(faultOf({ headers })).toBe('upgrade-required 426');
  });

  test('§4.4: an older WebSocket client hears of the version, not of its key', () => {
    const headers = { 'sec-websocket-version': '8', 'sec-websocket-key': 'x' };
    expect(faultOf({ headers })).toBe('version-unsupported 426');
  });

  test('what is not HTTP/1.1 hears of that, whatever it asks for', () => {
    expect(faultOf({ version: 'HTTP/2.0', method: 'PRI', target: '*' })).toBe('version-http 400');
  });
});

describe('the acceptance', () => {
  test('§4.2.2 item 5.4: the accept value of the sample nonce is that of the standard', () => {
    expect(acceptKey(KEY)).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
  });

  test('§4.2.2 item 5.4: the accept value is the same where Node has no crypto.hash yet', async () => {
    vi.resetModules();
    vi.doMock('node:crypto', async (original) => {
      const crypto = await original<typeof import('node:crypto')>();
      return { createHash: crypto.createHash, hash: undefined };
    });
    const older = await import('../../src/rfc6455/handshake.ts');
    vi.doUnmock('node:crypto');
    expect(older.acceptKey).not.toBe(acceptKey);
    expect(older.acceptKey(KEY)).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
  });

  test('§4.2.2 item 5: the 101, without a subprotocol', () => {
    expect(Buffer.from(acceptResponse(KEY, undefined)).toString('latin1')).toBe(
      'HTTP/1.1 101 Switching Protocols\r\n' +
        'Upgrade: websocket\r\n' +
        'Connection: Upgrade\r\n' +
        'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n' +
        '\r\n',
    );
  });

  test('§4.2.2 item 5.5: the 101, with one', () => {
    expect(Buffer.from(acceptResponse(KEY, 'chat')).toString('latin1')).toBe(
      'HTTP/1.1 101 Switching Protocols\r\n' +
        'Upgrade: websocket\r\n' +
        'Connection: Upgrade\r\n' +
        'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n' +
        'Sec-WebSocket-Protocol: chat\r\n' +
        '\r\n',
    );
  });

  test('§9.1: the 101, with extensions, and with both', () => {
    const agreed = 'permessage-deflate; server_max_window_bits=10';
    const lines = (subprotocol: string | undefined): string[] =>
      Buffer.from(acceptResponse(KEY, subprotocol, agreed))
        .toString('latin1')
        .split('\r\n');
    expect(lines(undefined)).toEqual([
      'HTTP/1.1 101 Switching Protocols',
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
      'Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10',
      '',
      '',
    ]);
    expect(lines('chat').slice(3)).toEqual([
      'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
      'Sec-WebSocket-Protocol: chat',
      'Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10',
      '',
      '',
    ]);
  });
});

describe('a refusal', () => {
  const refusal = (status: number, text: string, headers?: HeaderList, withBody?: boolean): string =>
    Buffer.from(refusalResponse(status, text, headers, withBody))
      .toString('latin1')
      .replace(/Date: [^\r]*/, 'Date: *');

  test('§4.2.1: is a complete HTTP response that closes the connection', () => {
    expect(refusal(400, 'malformed HTTP request')).toBe(
      'HTTP/1.1 400 Bad Request\r\n' +
        'Date: *\r\n' +
        'Content-Type: text/plain; charset=utf-8\r\n' +
        'Content-Length: 23\r\n' +
        'Connection: close\r\n' +
        '\r\n' +
        'malformed HTTP request\n',
    );
  });

  test('RFC 9110 §5.6.7: is dated in the form of HTTP', () => {
    const text = Buffer.from(refusalResponse(400, 'x')).toString('latin1');
    const date =
      /\r\nDate: ((Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT)\r\n/.exec(text);
    expect(Math.abs(Date.parse(date![1]!) - Date.now())).toBeLessThan(60_000);
  });

  test('§4.4: 426 names the version and the protocol to upgrade to', () => {
    expect(refusal(426, 'x')).toBe(
      'HTTP/1.1 426 Upgrade Required\r\n' +
        'Date: *\r\n' +
        'Content-Type: text/plain; charset=utf-8\r\n' +
        'Content-Length: 2\r\n' +
        'Sec-WebSocket-Version: 13\r\n' +
        'Upgrade: websocket\r\n' +
        'Connection: Upgrade, close\r\n' +
        '\r\n' +
        'x\n',
    );
  });

  test('RFC 9110 §15.5.6: 405 names the method that is allowed', () => {
    expect(refusal(405, 'x')).toContain('\r\nAllow: GET\r\n');
    expect(refusal(404, 'x')).not.toContain('Allow');
  });

  test('RFC 9110 §9.3.2: the answer to HEAD has the length of the body but no body', () => {
    expect(refusal(405, 'only GET', [], false)).toMatch(/\r\nContent-Length: 9\r\n.*\r\n\r\n$/s);
  });

  test('§4.2.2 items 2 and 3: may carry further fields, behind its own', () => {
    const text = refusal(302, 'over there', [
      ['Location', 'https://example.com/'],
      ['X-Reason', 'ä'],
    ]);
    expect(text).toMatch(/^HTTP\/1\.1 302 Found\r\n/);
    expect(text).toContain('\r\nLocation: https://example.com/\r\nX-Reason: ä\r\nConnection: close\r\n\r\n');
  });

  test('its length is in bytes of UTF-8', () => {
    const bytes = refusalResponse(503, 'voll: 满');
    expect(Buffer.from(bytes).toString('utf8')).toMatch(/\r\nContent-Length: 10\r\n.*\r\n\r\nvoll: 满\n$/s);
    expect(Buffer.from(bytes).subarray(-10).equals(Buffer.from('voll: 满\n'))).toBe(true);
  });

  test('RFC 9112 §4: a status without a known phrase keeps the space before it', () => {
    expect(refusal(418, 'x')).toMatch(/^HTTP\/1\.1 418 \r\n/);
  });

  test.for([
    [401, 'Unauthorized'],
    [403, 'Forbidden'],
    [404, 'Not Found'],
    [408, 'Request Timeout'],
    [429, 'Too Many Requests'],
    [431, 'Request Header Fields Too Large'],
    [500, 'Internal Server Error'],
    [502, 'Bad Gateway'],
    [503, 'Service Unavailable'],
    [504, 'Gateway Timeout'],
  ] as const)('RFC 9110 §15: %i is %s', ([status, phrase]) => {
    expect(refusal(status, 'x')).toMatch(new RegExp(`^HTTP/1\\.1 ${status} ${phrase}\r\n`));
  });

  test.for([
    ['X-A', 'b\r\nSet-Cookie: c'],
    ['X-A', 'b\nc'],
    ['X-A', 'b\0'],
    ['X-A', '\u{1f600}'],
    ['X-A\r\nX-B', 'c'],
    ['X A', 'c'],
    ['', 'c'],
  ] as const)('a field that cannot be sent throws: %j', ([name, value]) => {
    expect(() =>
      refusalResponse(404, 'x', [
        ['X-Fine', 'a'],
        [name, value],
      ]),
    ).toThrow(RangeError);
  });
});
