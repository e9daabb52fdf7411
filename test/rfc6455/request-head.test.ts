import { afterEach, describe, expect, test, vi } from 'vitest';
import { Fault } from '../../src/errors.ts';
import { type RequestHead, RequestHeadParser } from '../../src/rfc6455/request-head.ts';
import { concat, latin1 } from '../support/bytes.ts';
import { eachCut } from '../support/cuts.ts';

/** How many bytes the parser has looked at: it asks the grammar about each one that can be part of a name or value. */
const asked = vi.hoisted(() => ({ bytes: 0 }));
vi.mock('../../src/rfc6455/http-syntax.ts', async (original) => {
  const real = await original<typeof import('../../src/rfc6455/http-syntax.ts')>();
  const counted = (predicate: (byte: number) => boolean) => (byte: number) => {
    asked.bytes += 1;
    return predicate(byte);
  };
  return { ...real, isTokenByte: counted(real.isTokenByte), isValueByte: counted(real.isValueByte) };
});

afterEach(() => {
  vi.restoreAllMocks();
});

const LIMITS = { headBytes: 16 * 1024, headFields: 100 };

interface Outcome {
  readonly head?: RequestHead;
  /** Where the head ended, over all chunks. */
  readonly length?: number;
  /** The bytes that were given when the fault came. */
  readonly fault?: string;
  readonly given: number;
}

function feed(pieces: readonly Uint8Array[], limits = LIMITS): Outcome {
  const parser = new RequestHeadParser(limits);
  let given = 0;
  try {
    for (const piece of pieces) {
      const length = parser.push(piece);
      if (length >= 0) return { head: parser.head, length: given + length, given: given + piece.length };
      given += piece.length;
    }
  } catch (error) {
    if (error instanceof Fault) return { fault: `${error.code} ${error.status}`, given };
    throw error;
  }
  return { given };
}

/** The head of `text` under every cut, held to be the same each time. */
function parse(text: string, rest = ''): RequestHead {
  let first: RequestHead | undefined;
  eachCut(latin1(text + rest), (pieces) => {
    const { head, length, fault } = feed(pieces);
    expect(fault).toBeUndefined();
    expect(length).toBe(text.length);
    first ??= head!;
    expect(head).toEqual(first);
  });
  return first!;
}

/** Holds `text` to be refused under every cut, and byte by byte with the byte at `at`, no sooner and no later. */
function expectRefused(text: string, fault: string, at = text.length - 1): void {
  eachCut(latin1(text), (pieces) => {
    expect(feed(pieces).fault).toBe(fault);
  });
  const single = Array.from(latin1(text), (byte) => Uint8Array.of(byte));
  expect(feed(single)).toEqual({ fault, given: at });
}

const REQUEST = 'GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\r\n';

describe('a request head', () => {
  test('§4.2.1: is method, target, version and fields, whatever the cuts', () => {
    const head = parse(REQUEST);
    expect([head.method, head.target, head.version]).toEqual(['GET', '/chat', 'HTTP/1.1']);
    expect([...head.headers]).toEqual([
      ['host', 'example.com'],
      ['upgrade', 'websocket'],
    ]);
  });

  test('ends with its empty line, and what follows is left alone', () => {
    parse(REQUEST, '\x81\x80\0\0\0\0');
    parse(REQUEST, REQUEST);
  });

  test('may have no field at all', () => {
    expect([...parse('GET / HTTP/1.1\r\n\r\n').headers]).toEqual([]);
  });

  test('RFC 9112 §2.2: may have one empty line before it', () => {
    const head = parse(`\r\n${REQUEST}`);
    expect(head.method).toBe('GET');
    expect(head.headers.get('host')).toBe('example.com');
  });

  test('RFC 9112 §3.2: keeps the target as it was sent, also in absolute form', () => {
    for (const target of ['/', '/a%20b?c=d&e', '*', 'http://example.com/chat', '/[]{}|\\^`"<>', '/#x']) {
      expect(parse(`GET ${target} HTTP/1.1\r\n\r\n`).target).toBe(target);
    }
  });

  test('keeps method and version as they were sent, since others judge them', () => {
    const head = parse('get / HTTP/9.9\r\n\r\n');
    expect([head.method, head.version]).toEqual(['get', 'HTTP/9.9']);
    expect(parse('M-SEARCH * x\r\n\r\n').method).toBe('M-SEARCH');
  });

  test('tells the method as soon as it is known', () => {
    const parser = new RequestHeadParser(LIMITS);
    parser.push(latin1('HEAD'));
    expect(parser.method).toBe('');
    parser.push(latin1(' '));
    expect(parser.method).toBe('HEAD');
  });
});

describe('fields', () => {
  const value = (line: string): string | undefined =>
    parse(`GET / HTTP/1.1\r\n${line}\r\n\r\n`).headers.get('x');

  test('§4.1, RFC 9110 §5.1: names come in lower case', () => {
    expect([...parse('GET / HTTP/1.1\r\nSEC-WebSocket-Key: A\r\n\r\n').headers]).toEqual([
      ['sec-websocket-key', 'A'],
    ]);
  });

  test('RFC 9112 §5.1: values come without the white space around them', () => {
    expect(value('x:a')).toBe('a');
    expect(value('x: \t a \t ')).toBe('a');
    expect(value('x: a \t b ')).toBe('a \t b');
  });

  test('a value may be empty', () => {
    expect(value('x:')).toBe('');
    expect(value('x: \t ')).toBe('');
  });

  test('a value may hold colons, and bytes from 80 on as Latin-1', () => {
    expect(value('x: http://a:1/')).toBe('http://a:1/');
    expect(value('x: \x80ä\xff')).toBe('\x80ä\xff');
  });

  test('RFC 9110 §5.3: those of one name are joined by commas in their order', () => {
    const { headers } = parse('GET / HTTP/1.1\r\nX: a\r\nY: b\r\nx: c\r\nX:\r\n\r\n');
    expect([...headers]).toEqual([
      ['x', 'a, c, '],
      ['y', 'b'],
    ]);
  });

  test('§11.3.2, §11.3.4: extensions and subprotocols may stand in several fields', () => {
    const { headers } = parse(
      'GET / HTTP/1.1\r\nSec-WebSocket-Extensions: foo\r\nSec-WebSocket-Protocol: a\r\n' +
        'Sec-WebSocket-Extensions: bar; baz=2\r\nSec-WebSocket-Protocol: b\r\n\r\n',
    );
    expect(headers.get('sec-websocket-extensions')).toBe('foo, bar; baz=2');
    expect(headers.get('sec-websocket-protocol')).toBe('a, b');
  });

  test('RFC 6265 §4.2.1: cookies are joined by semicolons', () => {
    expect(parse('GET / HTTP/1.1\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n').headers.get('cookie')).toBe(
      'a=1; b=2',
    );
  });

  test.for(['Host', 'Sec-WebSocket-Key', 'Sec-WebSocket-Version', 'Origin', 'Content-Length'])(
    '§11.3: a second %s is refused, even if it says the same',
    (name) => {
      expectRefused(
        `GET / HTTP/1.1\r\n${name}: 13\r\nX: y\r\n${name.toLowerCase()}: 13\r`,
        'header-repeated 400',
      );
      // An empty one counts as well.
      expectRefused(`GET / HTTP/1.1\r\n${name}:\r\n${name}: 1\r`, 'header-repeated 400');
    },
  );

  test('names that mean something to JavaScript are names like others', () => {
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty'];
    const lines = names.map((name) => `${name}: ${name}!\r\n${name}: 2\r\n`);
    const { headers } = parse(`GET / HTTP/1.1\r\n${lines.join('')}\r\n`);
    expect([...headers]).toEqual(names.map((name) => [name.toLowerCase(), `${name}!, 2`]));
    expect(headers.get('x')).toBeUndefined();
    expect(Object.hasOwn(Object.prototype, '2')).toBe(false);
  });
});

describe('what no request can be is refused at its first wrong byte', () => {
  const start = 'GET / HTTP/1.1\r\n';
  const malformed = [
    ['a control character at the start', '\x16'],
    ['NUL at the start', '\0'],
    ['a space at the start', ' '],
    ['LF at the start', '\n'],
    ['CR without LF at the start', '\rG'],
    ['a second empty line', '\r\n\r'],
    ['LF behind an empty line', '\r\n\n'],
    ['a space behind an empty line', '\r\n '],
    ['a separator in the method', 'G('],
    ['a byte over 7F in the method', 'G\xc3'],
    ['the end of the line behind the method', 'GET\r'],
    ['a tab behind the method', 'GET\t'],
    ['an empty target', 'GET  '],
    ['a control character in the target', 'GET /\x01'],
    ['a tab in the target', 'GET /\t'],
    ['DEL in the target', 'GET /\x7f'],
    ['a byte over 7F in the target', 'GET /\xc3'],
    ['the end of the line behind the target (HTTP/0.9)', 'GET /\r'],
    ['LF behind the target', 'GET /\n'],
    ['a space behind the version', 'GET / HTTP/1.1 '],
    ['DEL in the version', 'GET / HTTP/1.\x7f'],
    ['a bare LF behind the version', 'GET / HTTP/1.1\n'],
    ['a bare CR behind the version', 'GET / HTTP/1.1\rH'],
    ['two CRs behind the version', 'GET / HTTP/1.1\r\r'],
    ['a space before the first field', `${start} `],
    ['a tab before the first field', `${start}\t`],
    ['a folded line', `${start}A: b\r\n `],
    ['a line folded by a tab', `${start}A: b\r\n\t`],
    ['an empty name', `${start}:`],
    ['a bare LF instead of the empty line', `${start}\n`],
    ['a bare LF instead of the empty line behind a field', `${start}A: b\r\n\n`],
    ['a bare CR instead of the empty line', `${start}\rA`],
    ['a space behind the name', `${start}A `],
    ['a tab behind the name', `${start}A\t`],
    ['a separator in the name', `${start}A(`],
    ['a byte over 7F in the name', `${start}A\xe4`],
    ['NUL in the name', `${start}A\0`],
    ['a line without a colon', `${start}Abc\r`],
    ['NUL at the start of the value', `${start}A: \0`],
    ['NUL in the value', `${start}A: b\0`],
    ['a control character in the value', `${start}A: b\x1b`],
    ['DEL in the value', `${start}A: b\x7f`],
    ['a bare LF at the start of the value', `${start}A: \n`],
    ['a bare LF in the value', `${start}A: b\n`],
    ['a bare CR in the value', `${start}A: b\rc`],
  ] as const;
  test.for(malformed)('RFC 9112: %s', ([, text]) => {
    expectRefused(text, 'head-malformed 400');
  });

  test('what stands behind the wrong byte does not matter', () => {
    expectRefused(`${start}A: b\nHost: x\r\n\r\n`, 'head-malformed 400', start.length + 4);
  });
});

describe('limits', () => {
  /** A complete head of so many bytes. */
  const headOf = (size: number): string => {
    const frame = 'GET / HTTP/1.1\r\nX: \r\n\r\n';
    return frame.replace('X: ', `X: ${'x'.repeat(size - frame.length)}`);
  };

  test('§10.4: a head of exactly 16 KiB passes', () => {
    const text = headOf(16_384);
    expect(text).toHaveLength(16_384);
    parse(text);
    parse(text, 'behind it come frames');
  });

  test('§10.4: a head of one byte more is 431', () => {
    // It is refused with the last byte that fits, since then the end can no longer come in time.
    expectRefused(headOf(16_385), 'head-too-large 431', 16_383);
  });

  test('§10.4: 16 KiB without an end are 431', () => {
    expectRefused('a'.repeat(20_000), 'head-too-large 431', 16_383);
    expectRefused(
      `GET / HTTP/1.1\r\n${'a: b\r\n'.repeat(99)}c: ${'d'.repeat(20_000)}`,
      'head-too-large 431',
      16_383,
    );
  });

  test('§10.4: a byte that is wrong within the limit is told as such', () => {
    expect(feed([latin1(`GET /\0${'a'.repeat(20_000)}`)]).fault).toBe('head-malformed 400');
    expect(feed([latin1(`${'a'.repeat(16_384)}\0`)]).fault).toBe('head-too-large 431');
  });

  test('§10.4: the empty line before a request counts', () => {
    parse(`\r\n${headOf(16_382)}`);
    expectRefused(`\r\n${headOf(16_383)}`, 'head-too-large 431', 16_383);
  });

  test('§10.4: 100 fields pass, also of one name', () => {
    expect(parse(`GET / HTTP/1.1\r\n${'a: b\r\n'.repeat(100)}\r\n`).headers.get('a')).toHaveLength(298);
  });

  test('§10.4: 101 fields are 431 with the first byte of the last', () => {
    const before = `GET / HTTP/1.1\r\n${'a: b\r\n'.repeat(100)}`;
    expectRefused(`${before}a: b\r\n\r\n`, 'head-too-large 431', before.length);
  });

  test('the limits are those that were given', () => {
    const text = latin1('GET / HTTP/1.1\r\na: b\r\n\r\n');
    expect(feed([text], { headBytes: 24, headFields: 1 }).length).toBe(24);
    expect(feed([text], { headBytes: 23, headFields: 1 }).fault).toBe('head-too-large 431');
    expect(feed([text], { headBytes: 24, headFields: 0 }).fault).toBe('head-too-large 431');
  });
});

describe('its cost', () => {
  const text = latin1(
    `GET /${'p'.repeat(4_000)} HTTP/1.1\r\n${`Name: ${'v'.repeat(90)}\r\n`.repeat(90)}\r\n`,
  );

  test('no byte is looked at twice, however small the pieces', () => {
    eachCut(text, (pieces) => {
      asked.bytes = 0;
      expect(feed(pieces).length).toBe(text.length);
      expect(asked.bytes).toBeGreaterThan(90 * 94);
      expect(asked.bytes).toBeLessThanOrEqual(text.length);
    });
  });

  test('byte by byte it is copied a few times, not once for each byte', () => {
    const allocate = vi.spyOn(Buffer, 'allocUnsafe');
    feed(Array.from(text, (byte) => Uint8Array.of(byte)));
    const copied = allocate.mock.calls.reduce((sum, [size]) => sum + size, 0);
    expect(allocate.mock.calls.length).toBeLessThanOrEqual(6);
    expect(copied).toBeLessThanOrEqual(4 * text.length);
  });

  test('a chunk that lies in the middle of other memory is read where it lies', () => {
    const memory = concat(latin1('xxx'), latin1(REQUEST), latin1('yyy'));
    const { head, length } = feed([memory.subarray(3, 3 + REQUEST.length)]);
    expect(length).toBe(REQUEST.length);
    expect(head?.headers.get('upgrade')).toBe('websocket');
  });
});
