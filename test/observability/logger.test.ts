import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createLogger, LOG_LEVELS, type LogFields, type LogLevel } from '../../src/observability/logger.ts';

function logger(level: LogLevel = 'trace') {
  const lines: string[] = [];
  return { log: createLogger(level, (line) => lines.push(line)), lines };
}

/** A line without its time. */
function line(event: string, fields?: LogFields): string {
  const { log, lines } = logger();
  log.info?.(event, fields);
  expect(lines).toHaveLength(1);
  return lines[0]!.slice('2026-11-23T08:53:59.123Z '.length);
}

/** A value as it stands in the line. */
function shown(value: string): string {
  return line('x', { v: value }).slice('info  x v='.length, -1);
}

describe('a level', () => {
  test.each(LOG_LEVELS)('%s has the methods up to its own, and the others are absent', (level) => {
    const { log } = logger(level);
    expect(Object.keys(log)).toEqual(LOG_LEVELS.slice(0, LOG_LEVELS.indexOf(level) + 1));
    expect(log.error).toBeTypeOf('function');
    expect(log.trace === undefined).toBe(level !== 'trace');
    expect(Object.isFrozen(log)).toBe(true);
  });

  test('that is off makes no arguments', () => {
    const { log, lines } = logger('warn');
    let made = 0;
    const argument = () => {
      made += 1;
      return { made };
    };
    log.info?.('never', argument());
    log.warn?.('once', argument());
    expect(made).toBe(1);
    expect(lines).toHaveLength(1);
  });
});

describe('a line', () => {
  test('begins with the time and the level, and ends with its line feed', () => {
    const { log, lines } = logger();
    for (const level of LOG_LEVELS) log[level]?.('event', { id: 7 });
    for (const [i, level] of LOG_LEVELS.entries()) {
      expect(lines[i]).toMatch(
        new RegExp(`^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z ${level.padEnd(5)} event id=7\n$`),
      );
    }
  });

  test('has its fields in their order, and leaves out what is undefined', () => {
    expect(line('closed', { id: 7, peer: undefined, up: 0, text: true, why: 'peer-closed' })).toBe(
      'info  closed id=7 up=0 text=true why=peer-closed\n',
    );
    expect(line('stopped')).toBe('info  stopped\n');
    expect(line('stopped', {})).toBe('info  stopped\n');
  });
});

describe('a value', () => {
  test.each([
    ['127.0.0.1:52344', '127.0.0.1:52344'],
    ['/path?a=b&c=%20', '/path?a=b&c=%20'],
    ['a!~', 'a!~'],
    ['', '""'],
    ['two words', '"two words"'],
    ['say "hi"', '"say \\"hi\\""'],
    ['"', '"\\""'],
    ['back\\slash', '"back\\\\slash"'],
    ['line\nfeed', '"line\\nfeed"'],
    ['\r', '"\\r"'],
    ['tab\t', '"tab\\t"'],
    ['\0', '"\\u0000"'],
    ['\x1b[31mred', '"\\u001b[31mred"'],
    ['\x7f', '"\\u007f"'],
    ['\x80', '"\\u0080"'],
    ['\x9b31m', '"\\u009b31m"'],
    ['\x9f', '"\\u009f"'],
    ['\u200b', '"\\u200b"'],
    ['\u200f', '"\\u200f"'],
    ['\u2028', '"\\u2028"'],
    ['\u2029', '"\\u2029"'],
    ['\u202e', '"\\u202e"'],
    ['\u2066', '"\\u2066"'],
    ['\u2069', '"\\u2069"'],
    ['\ufeff', '"\\ufeff"'],
    ['\ud800', '"\\ud800"'],
    ['gr\u00fcn', '"gr\u00fcn"'],
    ['\u{1f600}', '"\u{1f600}"'],
    ['\xa0', '"\xa0"'],
  ])('%j is shown as %s', (value, expected) => {
    expect(shown(value)).toBe(expected);
  });

  test('of 1024 characters is shown whole, a longer one is cut and marked', () => {
    expect(shown('a'.repeat(1024))).toBe('a'.repeat(1024));
    expect(shown('a'.repeat(1025))).toBe(`"${'a'.repeat(1024)}…"`);
    expect(shown('\n'.repeat(1_000_000))).toBe(`"${'\\n'.repeat(1024)}…"`);
  });

  test('cut in the middle of a character stays well-formed', () => {
    expect(Buffer.from(shown(`${'a'.repeat(1023)}\u{1f600}`)).toString()).toBe(
      `"${'a'.repeat(1023)}\\ud83d…"`,
    );
  });

  const NASTY = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\ufeff]|\p{Cs}/u;

  test('forges no second line, no second field and no terminal sequence, whatever it is', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(fc.nat(0xffff).map((code) => String.fromCharCode(code))).map((chars) => chars.join('')),
      fc
        .array(fc.constantFrom('\n', '\r', '"', '\\', ' ', '=', 'info', 'x', '\x1b', '\x9b'))
        .map((x) => x.join('')),
    );
    fc.assert(
      fc.property(text, text, (a, b) => {
        const whole = line('x', { a, b });
        expect(whole.endsWith('\n')).toBe(true);
        expect(whole.slice(0, -1)).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\ufeff]|\p{Cs}/u);
        // Each value reads back as what it was: a bare word, or a JSON string.
        const match = /^info {2}x a=("(?:[^"\\]|\\.)*"|\S+) b=("(?:[^"\\]|\\.)*"|\S+)\n$/.exec(whole);
        expect(match).not.toBeNull();
        const values = match!.slice(1).map((value) => (value!.startsWith('"') ? JSON.parse(value!) : value));
        expect(values).toEqual([a, b].map((value) => value));
      }),
      { numRuns: 1_000 },
    );
  });

  test('holds no character that reorders text, of all that there are', () => {
    const bare: string[] = [];
    for (let code = 0; code <= 0xffff; code += 1) {
      const char = String.fromCharCode(code);
      if (NASTY.test(char) && NASTY.test(shown(char))) bare.push(`U+${code.toString(16).padStart(4, '0')}`);
    }
    expect(bare).toEqual([]);
  });
});
