/** The expressions of the backend `file`: variables, hostile values, and what is refused when they are read. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseExpression } from '../../../src/plugins/backends/expression.ts';
import { ClientRequest } from '../../../src/upgrade-request.ts';
import { SEED, SEEDED } from '../../support/cuts.ts';

interface Sent {
  readonly target?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What an expression makes of a request. */
function nameFor(expression: string, { target = '/', headers = {} }: Sent): string | undefined {
  const request = new ClientRequest(
    { target, headers: new Map(Object.entries(headers)), subprotocols: [] },
    '127.0.0.1',
    1,
  );
  return parseExpression(expression)(request);
}

const cookie = (value: string): Sent => ({ headers: { cookie: value } });

describe('%endpoint%', () => {
  test.each([
    ['/vnc', 'vnc'],
    ['/vnc/', 'vnc'],
    ['/vnc//', 'vnc_'],
    ['//vnc', '_vnc'],
    ['/a/b/c', 'a_b_c'],
    ['/vnc?token=7', 'vnc?token=7'],
    ['/vnc/?token=7', 'vnc_?token=7'],
    ['/vnc?token=7/', 'vnc?token=7'],
    ['/a%20b', 'a%20b'],
    ['/%2e%2e', '%2e%2e'],
    ['/..%2f..%2fetc', '..%2f..%2fetc'],
    ['/../x', '.._x'],
    ['/../../etc/passwd', '.._.._etc_passwd'],
    ['/..../', '....'],
    ['/....//', '...._'],
    ['/..\\..\\x', '..\\..\\x'],
    ['/...', '...'],
    ['/%endpoint%', '%endpoint%'],
    ['vnc', 'vnc'],
  ])('of %s is %s', (target, name) => {
    expect(nameFor('%endpoint%', { target })).toBe(name);
  });

  test.each(['/', '//', '/.', '/..', '/./', '/../', '/%00'.replace('%00', '\0')])(
    'of %j is missing',
    (target) => {
      expect(nameFor('%endpoint%', { target })).toBeUndefined();
      expect(nameFor('%endpoint%.conf', { target })).toBeUndefined();
    },
  );
});

describe('%cookie:NAME%', () => {
  test.each([
    ['user=alice', 'alice'],
    ['a=1; user=alice; b=2', 'alice'],
    ['a=1;user=alice', 'alice'],
    ['user=alice; user=bob', 'alice'],
    ['user=a=b', 'a=b'],
    ['user="alice"', '"alice"'],
    ['user=/etc/passwd', '_etc_passwd'],
    ['user=%2e%2e', '%2e%2e'],
    ['user=%cookie:user%', '%cookie:user%'],
    ['user=a b', 'a b'],
  ])('of %j is %j', (header, value) => {
    expect(nameFor('%cookie:user%', cookie(header))).toBe(value);
  });

  test.each([
    '',
    'a=1',
    'user',
    'user=',
    'user=;a=1',
    'User=alice',
    'USER=alice',
    'xuser=alice',
    'userx=alice',
    'user=.',
    'user=..',
    'user= .. ;a=1',
    'user=a\0b',
  ])('of %j is missing', (header) => {
    expect(nameFor('%cookie:user%', cookie(header))).toBeUndefined();
    expect(nameFor('pre-%cookie:user%', cookie(header))).toBeUndefined();
  });

  test('is missing without any cookie', () => {
    expect(nameFor('%cookie:user%', {})).toBeUndefined();
  });
});

describe('%header:NAME%', () => {
  test('does not care about the case of the name', () => {
    for (const name of ['x-user', 'X-User', 'X-USER']) {
      expect(nameFor(`%header:${name}%`, { headers: { 'x-user': 'Alice' } })).toBe('Alice');
    }
  });

  test.each([
    [{}, undefined],
    [{ 'x-user': '' }, undefined],
    [{ 'x-user': '..' }, undefined],
    [{ 'x-user': 'a/../b' }, 'a_.._b'],
    [{ 'x-user': 'a, b' }, 'a, b'],
  ])('of %j is %j', (headers, name) => {
    expect(nameFor('%header:x-user%', { headers })).toBe(name);
  });

  test('takes names that Object has, too', () => {
    expect(nameFor('%header:constructor%', {})).toBeUndefined();
    expect(nameFor('%cookie:__proto__%', cookie('a=1'))).toBeUndefined();
    expect(nameFor('%cookie:__proto__%', cookie('__proto__=a'))).toBe('a');
  });
});

describe('bytes over 127', () => {
  const latin1 = (text: string) => Buffer.from(text, 'utf8').toString('latin1');

  test('are those of a file name in UTF-8', () => {
    expect(nameFor('%cookie:user%', cookie(`user=${latin1('zoë')}`))).toBe('zoë');
    expect(nameFor('%header:x%', { headers: { x: latin1('日本/語') } })).toBe('日本_語');
  });

  test.each([
    ['Latin-1', 'zo\xeb'],
    ['an overlong slash', '..\xc0\xaf..'],
    ['overlong dots', '\xc0\xae\xc0\xae'],
    ['half a character', '\xe6\x97'],
    ['a surrogate', '\xed\xa0\x80'],
  ])('that are %s count as missing', (_what, value) => {
    expect(nameFor('%cookie:user%', cookie(`user=${value}`))).toBeUndefined();
  });

  test('keep a byte order mark, which hides no dots', () => {
    expect(nameFor('%header:x%', { headers: { x: latin1('\ufeff..') } })).toBe('\ufeff..');
  });

  test('that no header can hold are cut to bytes before slashes are looked for', () => {
    // U+012F as a byte is a slash, U+012E a dot, U+0100 a NUL.
    expect(nameFor('%header:x%', { headers: { x: 'a\u012fb' } })).toBe('a_b');
    expect(nameFor('%header:x%', { headers: { x: '\u012e\u012e' } })).toBeUndefined();
    expect(nameFor('%header:x%', { headers: { x: 'a\u0100' } })).toBeUndefined();
  });
});

describe('an expression', () => {
  const sent: Sent = { target: '/vnc', headers: { cookie: 'a=.; b=x; dots=..; empty=', 'x-h': 'h' } };

  test.each([
    ['fallback', 'fallback'],
    ['%cookie:b%-%endpoint%.conf', 'x-vnc.conf'],
    ['%cookie:b%%header:x-h%', 'xh'],
    ['sub/%endpoint%', 'sub/vnc'],
    ['%cookie:b%/%endpoint%', 'x/vnc'],
    ['/%endpoint%', 'vnc'],
    ['//a//%endpoint%', 'a/vnc'],
    ['./a/./%endpoint%', 'a/vnc'],
    ['100%%-%endpoint%', '100%-vnc'],
    ['%%endpoint%%', '%endpoint%'],
    ['%endpoint%%%', 'vnc%'],
    ['..%endpoint%', '..vnc'],
    ['.hidden', '.hidden'],
    ['...', '...'],
    ['a b', 'a b'],
    ['\\..\\%endpoint%', '\\..\\vnc'],
  ])('%s gives %s', (expression, name) => {
    expect(nameFor(expression, sent)).toBe(name);
  });

  test.each([
    '%cookie:missing%',
    '%endpoint%-%cookie:missing%',
    '%cookie:missing%/%endpoint%',
    'x/%cookie:dots%/y',
    '%cookie:empty%/%endpoint%',
    // Values that mean nothing by themselves, and a folder together.
    '.%cookie:a%',
    '%cookie:a%.',
    '%cookie:a%%cookie:a%',
    'x/%cookie:a%%cookie:a%/etc',
  ])('%s gives no name', (expression) => {
    expect(nameFor(expression, sent)).toBeUndefined();
  });

  test('is checked as a whole: a dot and one behind it from the client', () => {
    expect(nameFor('.%header:h%', { headers: { h: '.' } })).toBeUndefined();
    expect(nameFor('.%header:h%', { headers: { h: 'a' } })).toBe('.a');
  });

  test.each([
    ['', /"": it names no file/],
    ['/', /it names no file/],
    ['sub/', /"sub\/": it names no file/],
    ['sub/.', /it names no file/],
    ['.', /it names no file/],
    ['%endpoint%/', /it names no file/],
    ['..', /"\.\." would lead out/],
    ['../x', /"\.\.\/x": "\.\." would lead out/],
    ['a/../%endpoint%', /would lead out/],
    ['%endpoint%/..', /would lead out/],
    ['/../x', /would lead out/],
    ['a\0b', /no NUL/],
    ['100%', /"100%": "%" has no closing %.*%%/],
    ['%endpoint', /"%endpoint" has no closing %/],
    ['%endpoint%-%', /"%" has no closing %/],
    ['%endpoint%%', /"%" has no closing %/],
    ['%cookie:user', /"%cookie:user" has no closing %/],
    ['%endpont%', /unknown variable "%endpont%"; there are %endpoint%, %cookie:NAME%, %header:NAME%/],
    ['%Endpoint%', /unknown variable "%Endpoint%"/],
    ['%endpoint:%', /unknown variable "%endpoint:%"/],
    ['%endpoint:x%', /unknown variable/],
    ['%cookie%', /unknown variable "%cookie%"/],
    ['%header%', /unknown variable "%header%"/],
    ['%query:x%', /unknown variable "%query:x%"/],
    ['% endpoint%', /unknown variable/],
    ['%cookie:%', /"%cookie:%" does not name a cookie/],
    ['%cookie:a;b%', /does not name a cookie/],
    ['%cookie:a=b%', /does not name a cookie/],
    ['%cookie: a%', /does not name a cookie/],
    ['%cookie:é%', /does not name a cookie/],
    ['%cookie:a\x7f%', /does not name a cookie/],
    ['%header:%', /"%header:%" does not name a header/],
    ['%header:a b%', /does not name a header/],
    ['%header:a:b%', /does not name a header/],
    ['%header:a/b%', /does not name a header/],
  ])('%j is refused, and the option is named', (expression, message) => {
    expect(() => parseExpression(expression)).toThrow(
      expect.objectContaining({ option: 'expression', message: expect.stringMatching(message) }),
    );
  });

  test('takes any name that a cookie or a header may have', () => {
    expect(nameFor("%cookie:__Host-a.b:c!#$&'*+-.^_`|~/9%", cookie("__Host-a.b:c!#$&'*+-.^_`|~/9=v"))).toBe(
      'v',
    );
    expect(nameFor("%header:!#$&'*+-.^_`|~9%", { headers: { "!#$&'*+-.^_`|~9": 'v' } })).toBe('v');
  });

  test(`never gives a name that leads out, whatever a client sends (TEST_SEED=${SEED})`, () => {
    const hostile = fc.array(
      fc.constantFrom(
        '.',
        '..',
        '/',
        '\\',
        '\0',
        '%2e',
        '%',
        ';',
        '=',
        ' ',
        'a',
        '\xc0\xaf',
        '\xef\xbb\xbf',
        '\u012f',
      ),
      { maxLength: 8 },
    );
    const text = hostile.map((parts) => parts.join(''));
    const expressions = [
      '%endpoint%',
      '%cookie:a%%cookie:b%',
      '.%endpoint%',
      '%cookie:a%.',
      '%cookie:a%/%endpoint%',
      '%header:h%/%header:h%/x',
      '.%header:h%%cookie:a%',
    ];
    fc.assert(
      fc.property(text, text, text, text, fc.constantFrom(...expressions), (target, a, b, h, expression) => {
        const name = nameFor(expression, { target: `/${target}`, headers: { cookie: `a=${a}; b=${b}`, h } });
        if (name === undefined) return;
        expect(name).not.toContain('\0');
        // No more segments than the expression has, and none of them a folder.
        expect(name.split('/')).toHaveLength(expression.split('/').length);
        for (const segment of name.split('/')) expect(['', '.', '..']).not.toContain(segment);
      }),
      { ...SEEDED, numRuns: 3000 },
    );
  });

  test(`is read or refused, whatever it is (TEST_SEED=${SEED})`, () => {
    const parts = ['%', '%endpoint%', '%cookie:', '%header:', 'a', '/', '.', '..', ':', '\0', 'é', ' '];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...parts), { maxLength: 10 }), (pieces) => {
        try {
          parseExpression(pieces.join(''));
        } catch (error) {
          expect(error).toMatchObject({ option: 'expression' });
        }
      }),
      { ...SEEDED, numRuns: 3000 },
    );
  });
});
