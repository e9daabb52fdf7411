/** What a backend is asked with: path, query and cookies of a request. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ClientRequest, parseCookies } from '../src/upgrade-request.ts';
import { SEED, SEEDED } from './support/cuts.ts';

function request(target: string, headers: Readonly<Record<string, string>> = {}): ClientRequest {
  return new ClientRequest(
    { target, headers: new Map(Object.entries(headers)), subprotocols: ['a', 'B'] },
    '192.0.2.1',
    7,
  );
}

test('keeps what it was made of', () => {
  const { target, headers, subprotocols, remoteAddress, remotePort } = request('/x?y', { host: 'h' });
  expect({ target, headers: [...headers], subprotocols, remoteAddress, remotePort }).toEqual({
    target: '/x?y',
    headers: [['host', 'h']],
    subprotocols: ['a', 'B'],
    remoteAddress: '192.0.2.1',
    remotePort: 7,
  });
});

describe('path and query', () => {
  test.each([
    ['/', '/', ''],
    ['/a/b', '/a/b', ''],
    ['/a?', '/a', ''],
    ['/a?b=1', '/a', 'b=1'],
    ['/?b', '/', 'b='],
    ['/a?b=1?c=2', '/a', 'b=1%3Fc%3D2'],
    ['/a??b=1', '/a', '%3Fb=1'],
    ['/a%3Fb=1', '/a%3Fb=1', ''],
    ['/%61', '/%61', ''],
    ['/a?b=a%20b+c', '/a', 'b=a+b+c'],
    ['/a?b=1&b=2', '/a', 'b=1&b=2'],
  ])('of %s are %s and %s', (target, path, query) => {
    expect(request(target).path).toBe(path);
    expect(request(target).query.toString()).toBe(query);
  });

  test('the query is decoded', () => {
    const { query } = request('/?token=a%20b&%C3%A9=%C3%A9&bad=%zz&latin=%E9');
    expect(query.get('token')).toBe('a b');
    expect(query.get('é')).toBe('é');
    expect(query.get('bad')).toBe('%zz');
    expect(query.get('latin')).toBe('\ufffd');
  });

  test('the query is a copy for whoever asks', () => {
    const asked = request('/?a=1');
    asked.query.set('a', '2');
    expect(asked.query.get('a')).toBe('1');
  });
});

describe('cookies (RFC 6265)', () => {
  test.each([
    ['one', 'a=1', { a: '1' }],
    ['§4.2.1: several', 'SID=31d4d96e407aad42; lang=en-US', { SID: '31d4d96e407aad42', lang: 'en-US' }],
    ['no space behind the semicolon', 'a=1;b=2', { a: '1', b: '2' }],
    ['more than one', 'a=1;   b=2 ;\tc=3\t', { a: '1', b: '2', c: '3' }],
    ['space around the =', 'a = 1 ; b= 2', { a: '1', b: '2' }],
    ['an empty value', 'a=; b=2; c=', { a: '', b: '2', c: '' }],
    ['= in a value', 'a=b=c==', { a: 'b=c==' }],
    ['quotes, which are a part of the value', 'a="1 2"; b="', { a: '"1 2"', b: '"' }],
    ['no escapes: what is not decoded stays', 'a=%20%3B+', { a: '%20%3B+' }],
    ['commas and spaces in a value', 'a=1, b=2; c=x y', { a: '1, b=2', c: 'x y' }],
    ['§5.4: the first of two of one name', 'a=1; a=2; b=3', { a: '1', b: '3' }],
    ['the first of two, though it is empty', 'a=; a=2', { a: '' }],
    ['names with regard to case', 'a=1; A=2', { a: '1', A: '2' }],
    ['pieces that are no pairs', '; ;; a ; =1; = ; b=2;', { b: '2' }],
    ['nothing', '', {}],
    ['Latin-1', 'a=\xe9; \xe9=1', { a: '\xe9', '\xe9': '1' }],
    [
      'à in UTF-8, whose last byte is a space in Latin-1',
      'a=\xc3\xa0; \xc3\xa0=2',
      { a: '\xc3\xa0', '\xc3\xa0': '2' },
    ],
    ['$Version, which is a name like another', '$Version=1; a=2', { $Version: '1', a: '2' }],
  ])('%s', (_what, header, cookies) => {
    expect(Object.fromEntries(parseCookies(header))).toEqual(cookies);
    expect(Object.fromEntries(request('/', { cookie: header }).cookies)).toEqual(cookies);
  });

  test('names that every object has are names like others', () => {
    expect([...parseCookies('__proto__=1; constructor=2')]).toEqual([
      ['__proto__', '1'],
      ['constructor', '2'],
    ]);
  });

  test('are none without a Cookie header', () => {
    expect(request('/').cookies.size).toBe(0);
  });

  test('are parsed when they are asked for, and once', () => {
    let asked = 0;
    const headers = new Map([['cookie', 'a=1']]);
    headers.get = function get(name) {
      asked += 1;
      return Map.prototype.get.call(this, name) as string | undefined;
    };
    const lazy = new ClientRequest({ target: '/', headers, subprotocols: [] }, '127.0.0.1', 1);
    expect(asked).toBe(0);
    expect(lazy.cookies).toBe(lazy.cookies);
    expect(lazy.cookies.get('a')).toBe('1');
    expect(asked).toBe(1);
  });

  test(`come back as they were sent (TEST_SEED=${SEED})`, () => {
    // §4.1.1: cookie-name is a token, cookie-value has no white space, quote, comma, semicolon or backslash.
    const name = fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,12}$/);
    const value = fc.stringMatching(/^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{0,12}$/);
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(name, value), { selector: ([each]) => each }), (pairs) => {
        const header = pairs.map((pair) => pair.join('=')).join('; ');
        expect([...parseCookies(header)]).toEqual(pairs);
      }),
      SEEDED,
    );
  });
});

test(`whatever a client sends, nothing throws (TEST_SEED=${SEED})`, () => {
  const latin1 = fc.array(fc.integer({ min: 0, max: 255 })).map((codes) => String.fromCharCode(...codes));
  const dense = fc
    .array(fc.constantFrom(';', '=', ' ', 'a', '"', '%', '\t', '?', '&', '\xff'))
    .map((all) => all.join(''));
  fc.assert(
    fc.property(fc.oneof(latin1, dense), fc.oneof(latin1, dense), (target, cookie) => {
      const asked = request(target, { cookie });
      expect(target.startsWith(asked.path)).toBe(true);
      expect(asked.path).not.toContain('?');
      for (const [key, value] of asked.query) expect(typeof key + typeof value).toBe('stringstring');
      for (const [key, value] of asked.cookies) {
        expect(key).toMatch(/^[^;=]+$/);
        expect(value).not.toContain(';');
        for (const text of [key, value]) expect(text).not.toMatch(/^[ \t]|[ \t]$/);
      }
    }),
    { ...SEEDED, numRuns: 2000 },
  );
});
