/** One line per event, and nothing in a value that could forge another or reach the terminal. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createLogger, LOG_LEVELS, type LogFields } from '../../src/observability/logger.ts';

const MAX_VALUE = 1024;

/** What ends a line, steers a terminal, or changes the order in which text is shown. */
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]|\p{Surrogate}/u;

function lineOf(fields?: LogFields): string {
  const lines: string[] = [];
  createLogger('info', (line) => lines.push(line)).info?.('event', fields);
  expect(lines).toHaveLength(1);
  return lines[0]!;
}

/** The value as it stands in the line. */
function written(value: string | number | boolean): string {
  const line = lineOf({ value });
  const at = line.indexOf(' value=');
  expect(at).toBeGreaterThan(0);
  return line.slice(at + ' value='.length, -1);
}

describe('levels', () => {
  test.each(LOG_LEVELS.map((level, i) => [level, LOG_LEVELS.slice(0, i + 1)] as const))(
    'at %s the methods are those up to it, and no others are there',
    (level, enabled) => {
      const log = createLogger(level, () => {});
      expect(Object.keys(log)).toEqual(enabled);
      for (const name of LOG_LEVELS)
        expect(typeof log[name]).toBe(enabled.includes(name) ? 'function' : 'undefined');
    },
  );

  test('that are off never make their arguments', () => {
    const log = createLogger('error', () => {});
    let made = 0;
    log.warn?.('event', { made: ++made });
    log.trace?.('event', { made: ++made });
    expect(made).toBe(0);
  });

  test('cannot be switched on later by someone who has the logger', () => {
    expect(Object.isFrozen(createLogger('error', () => {}))).toBe(true);
  });
});

describe('a line', () => {
  test('comes with its level', () => {
    const levels: string[] = [];
    const log = createLogger('trace', (_line, level) => levels.push(level));
    for (const level of LOG_LEVELS) log[level]?.('event');
    expect(levels).toEqual(LOG_LEVELS);
  });

  test.each([
    ['a\nb', String.raw`a\u000ab`],
    ['listening on ws://[::1]:8001', 'listening on ws://[::1]:8001'],
    ['\u001b[2J', String.raw`\u001b[2J`],
    ['\ud83d', String.raw`\ud83d`],
    ['x'.repeat(5000), `${'x'.repeat(4096)}…`],
  ])('of the event %j says %s', (event, text) => {
    const lines: string[] = [];
    createLogger('error', (line) => lines.push(line)).error(event);
    expect(lines[0]?.slice('2026-11-23T08:53:59.123Z error '.length)).toBe(`${text}\n`);
  });

  test.each([
    ['a b', '"a b"=1'],
    ['', '""=1'],
    ['a\nb', String.raw`"a\nb"=1`],
    ['x'.repeat(65), `"${'x'.repeat(64)}…"=1`],
    ['__proto__', '__proto__=1'],
    ['constructor', 'constructor=1'],
  ])('of a field named %j says %s', (name, text) => {
    expect(lineOf(Object.fromEntries([[name, 1]]))).toMatch(/ event /);
    expect(lineOf(Object.fromEntries([[name, 1]])).split(' event ')[1]).toBe(`${text}\n`);
  });

  test.each(['authorization', 'Cookie', 'set-cookie', 'proxy-authorization', 'x-api-key', 'accessToken'])(
    'leaves out the value of a field named %s',
    (name) => {
      const line = lineOf({ [name]: 'Bearer 4711', id: 7 });
      expect(line).toContain(` ${name}=[redacted] id=7`);
      expect(line).not.toContain('4711');
    },
  );

  test('is time, level, event and fields in their order, and ends with a line feed', () => {
    expect(lineOf({ id: 7, client: '127.0.0.1:52344', ok: true })).toMatch(
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info {2}event id=7 client=127\.0\.0\.1:52344 ok=true\n$/,
    );
  });

  test('has columns for the levels', () => {
    const lines: string[] = [];
    const log = createLogger('trace', (line) => lines.push(line));
    for (const level of LOG_LEVELS) log[level]?.('event');
    expect(lines.map((line) => line.slice('2026-11-23T08:53:59.123Z '.length))).toEqual([
      'error event\n',
      'warn  event\n',
      'info  event\n',
      'debug event\n',
      'trace event\n',
    ]);
  });

  test('leaves out the fields that are undefined', () => {
    expect(lineOf({ a: undefined, b: 0, c: undefined })).toMatch(/ event b=0\n$/);
    expect(lineOf({})).toMatch(/ event\n$/);
    expect(lineOf()).toMatch(/ event\n$/);
  });
});

describe('a value', () => {
  test.each([
    ['plain', 'plain'],
    ['/vnc/7?token=a%20b', '/vnc/7?token=a%20b'],
    ['tcp://[::1]:5900', 'tcp://[::1]:5900'],
    [0, '0'],
    [false, 'false'],
    ['', '""'],
    ['two words', '"two words"'],
    ['a"b', String.raw`"a\"b"`],
    ['a\\b', String.raw`"a\\b"`],
    ['a\nb', String.raw`"a\nb"`],
    ['a\r\nb', String.raw`"a\r\nb"`],
    ['a\tb', String.raw`"a\tb"`],
    ['\0', String.raw`"\u0000"`],
    ['\u001b[2J', String.raw`"\u001b[2J"`],
    ['\u007f', String.raw`"\u007f"`],
    ['\u0085', String.raw`"\u0085"`],
    ['\u009b2J', String.raw`"\u009b2J"`],
    ['\u2028', String.raw`"\u2028"`],
    ['\u2029', String.raw`"\u2029"`],
    ['\u202e', String.raw`"\u202e"`],
    ['\u200f', String.raw`"\u200f"`],
    ['\u2066', String.raw`"\u2066"`],
    ['\u2069', String.raw`"\u2069"`],
    ['\ufeff', String.raw`"\ufeff"`],
    ['\ud83d', String.raw`"\ud83d"`],
    ['grün', '"grün"'],
    ['😀', '"😀"'],
  ])('%j is written %s', (value, text) => {
    expect(written(value)).toBe(text);
  });

  test('that reorders text is escaped, whichever of the Unicode controls for it is used', () => {
    const controls = Array.from({ length: 0xffff }, (_, code) => String.fromCharCode(code)).filter((char) =>
      /\p{Bidi_Control}/u.test(char),
    );
    expect(controls).toHaveLength(12);
    expect(
      controls.filter((char) => written(char).includes(char)).map((char) => JSON.stringify(char)),
    ).toEqual([]);
  });

  test('that looks like further fields stays one', () => {
    expect(written('a why=peer-closed')).toBe('"a why=peer-closed"');
  });

  test('of the longest length is written whole, and a longer one is cut', () => {
    expect(written('x'.repeat(MAX_VALUE))).toBe('x'.repeat(MAX_VALUE));
    expect(written('x'.repeat(MAX_VALUE + 1))).toBe(`"${'x'.repeat(MAX_VALUE)}…"`);
    expect(written('\n'.repeat(1_000_000))).toBe(`"${String.raw`\n`.repeat(MAX_VALUE)}…"`);
  });

  test('that is a stack may be longer', () => {
    expect(lineOf({ stack: 'x'.repeat(8192) })).toContain(` stack=${'x'.repeat(8192)}\n`);
    expect(lineOf({ stack: 'x'.repeat(8193) })).toContain(` stack="${'x'.repeat(8192)}…"\n`);
  });

  test('cut through a pair of surrogates is still text', () => {
    expect(written(`${'x'.repeat(MAX_VALUE - 1)}😀`)).not.toMatch(UNSAFE);
  });

  const anything = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 2000 }),
    fc.array(fc.nat(0xffff), { maxLength: 1100 }).map((codes) => String.fromCharCode(...codes)),
    fc
      .array(fc.constantFrom('\n', '\r', '"', '\\', '\u001b', '\u009b', '\u202e', '\u2028', '\ud800', 'x'))
      .map((chars) => chars.join('')),
  );

  const level = fc.constantFrom(...LOG_LEVELS);
  const fields = fc.dictionary(
    anything,
    fc.oneof(anything, fc.double(), fc.boolean(), fc.constant(undefined)),
    { maxKeys: 5 },
  );

  test('and a name and an event, whatever they are, make one line without control characters', () => {
    fc.assert(
      fc.property(level, anything, fields, (name, event, values) => {
        const lines: string[] = [];
        createLogger('trace', (line) => lines.push(line))[name]!(event, values);
        expect(lines).toHaveLength(1);
        expect(lines[0]!.endsWith('\n')).toBe(true);
        expect(UNSAFE.test(lines[0]!.slice(0, -1))).toBe(false);
      }),
    );
  });

  test.each<[string, unknown, string]>([
    ['an object', { toString: () => 'a\nb' }, String.raw`"a\nb"`],
    ['a symbol', Symbol('a\nb'), String.raw`"Symbol(a\nb)"`],
    ['a list', ['a\n', '\u001b'], String.raw`"a\n,\u001b"`],
    ['null', null, 'null'],
    ['a bigint', 7n, '7'],
  ])('that is %s, which no type allows, is text like another', (_what, value, text) => {
    expect(written(value as string)).toBe(text);
  });

  test('that is a stack is one line', () => {
    const error = new Error('first\nsecond\u001b[2J');
    expect(written(error.stack!)).toMatch(/^"Error: first\\nsecond\\u001b\[2J\\n {4}at [^\n]*"$/);
  });

  test('whatever it is, makes one line without control characters', () => {
    fc.assert(
      fc.property(anything, (value) => {
        const line = lineOf({ before: 1, value, after: 2 });
        expect(line.endsWith(' after=2\n')).toBe(true);
        expect(UNSAFE.test(line.slice(0, -1))).toBe(false);
        expect(line.length).toBeLessThan(6 * MAX_VALUE + 100);
      }),
    );
  });

  test('that is not cut can be read back', () => {
    fc.assert(
      fc.property(anything, (value) => {
        fc.pre(value.length <= MAX_VALUE);
        const text = written(value);
        expect(text.startsWith('"') ? JSON.parse(text) : text).toBe(value);
      }),
    );
  });

  test.each([
    ['\r', String.raw`"\r"`],
    ['\u009f', String.raw`"\u009f"`],
    ['\u200b', String.raw`"\u200b"`],
    ['\u00a0', '"\u00a0"'],
    ['a!~', 'a!~'],
  ])('%j, at the edge of what is escaped, is written %s', (value, text) => {
    expect(written(value)).toBe(text);
  });

  test('two in one line stay two: each reads back as what it was', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(fc.constantFrom('\n', '"', '\\', ' ', '=', 'b=', 'x')).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(text, text, (a, b) => {
        const match = / event a=("(?:[^"\\]|\\.)*"|\S+) b=("(?:[^"\\]|\\.)*"|\S+)\n$/.exec(lineOf({ a, b }));
        expect(match).not.toBeNull();
        const values = match!.slice(1).map((value) => (value.startsWith('"') ? JSON.parse(value) : value));
        expect(values).toEqual([a, b]);
      }),
    );
  });
});
