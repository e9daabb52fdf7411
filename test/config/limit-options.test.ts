import { describe, expect, test } from 'vitest';
import { formatBytes, LIMIT_OPTIONS, type LimitName, limitsOf } from '../../src/config/limit-options.ts';
import { DEFAULT_LIMITS, type Limits } from '../../src/limits.ts';
import { Random, SEED } from '../support/randomness.ts';

const NAMES = Object.keys(LIMIT_OPTIONS) as LimitName[];
const of = (placeholder: string) => NAMES.filter((name) => LIMIT_OPTIONS[name].placeholder === placeholder);

const K = 1024;

describe('each option', () => {
  test('sets a bound of its own, and all bounds but those of the stop have one', () => {
    const bounds = NAMES.map((name) => LIMIT_OPTIONS[name].bound);
    expect(new Set(bounds).size).toBe(bounds.length);
    const others = Object.keys(DEFAULT_LIMITS).filter((bound) => !bounds.includes(bound as keyof Limits));
    expect(others.sort()).toEqual(['drainTimeout', 'drainWait']);
  });

  test.each(NAMES)('%s has the default of its bound, and its text says the same', (name) => {
    const spec = LIMIT_OPTIONS[name];
    expect(spec.default).toBe(DEFAULT_LIMITS[spec.bound]);
    expect(spec.parse(spec.defaultText!)).toBe(spec.default);
  });

  test.each(NAMES)('%s says what 0 means, or refuses it', (name) => {
    const { zero, parse, description } = LIMIT_OPTIONS[name];
    if (zero === undefined) {
      expect(() => parse('0')).toThrow(/^expected a number/);
    } else {
      expect(parse('0')).toBe(0);
      expect(description).toContain(`0: ${zero}`);
    }
  });

  test.each(NAMES)('%s takes no sign, blank, fraction of nothing, other digits or other names', (name) => {
    const wrong = [
      '',
      ' ',
      '-1',
      '+1',
      ' 1',
      '1 ',
      '1e3',
      '0x10',
      '.5',
      '1.',
      '1,5',
      '１',
      'NaN',
      'Infinity',
      'off',
    ];
    for (const text of wrong) expect(() => LIMIT_OPTIONS[name].parse(text), text).toThrow(/not "/);
  });

  test('limitsOf puts each value where it belongs, and leaves the stop as it is', () => {
    const values = Object.fromEntries(NAMES.map((name, i) => [name, 1_000 + i])) as Record<LimitName, number>;
    const limits = limitsOf(values);
    NAMES.forEach((name, i) => {
      expect(limits[LIMIT_OPTIONS[name].bound], name).toBe(1_000 + i);
    });
    expect(limits.drainTimeout).toBe(DEFAULT_LIMITS.drainTimeout);
    expect(limits.drainWait).toBe(DEFAULT_LIMITS.drainWait);
  });
});

describe('a number of bytes', () => {
  const { parse } = LIMIT_OPTIONS['max-buffered'];

  test.each([
    ['1048576', 1_048_576],
    ['1024K', 1_048_576],
    ['1M', 1_048_576],
    ['64M', 67_108_864],
    ['2G', 2_147_483_648],
    ['1024G', 1_099_511_627_776],
  ])('%s is %i', (text, size) => {
    expect(parse(text)).toBe(size);
  });

  test.each(['1k', '1MB', '1 M', '1.5M', 'M', '1048575', '1025G', '99999999999999'])(
    '%s is refused',
    (text) => {
      expect(() => parse(text)).toThrow(
        `expected a number of bytes, as in 64K or 16M, from 1M to 1024G, or 0 (a quarter of the memory), not "${text}"`,
      );
    },
  );

  test('an option that knows no 0 does not offer it', () => {
    expect(() => LIMIT_OPTIONS['head-bytes'].parse('255')).toThrow(
      'expected a number of bytes, as in 64K or 16M, from 256 to 1M, not "255"',
    );
  });

  test.each([
    [0, '0'],
    [1, '1'],
    [1_023, '1023'],
    [K, '1K'],
    [K + 1, '1025'],
    [1_536 * K, '1536K'],
    [K * K, '1M'],
    [K ** 3, '1G'],
    [1_024 * K ** 3, '1024G'],
  ])('%i is written %s', (size, text) => {
    expect(formatBytes(size)).toBe(text);
  });

  test(`that is written is read as itself (TEST_SEED=${SEED})`, () => {
    const random = new Random(SEED);
    for (let i = 0; i < 5_000; i += 1) {
      const size = random.int(1, 1_000) * K ** random.int(2, 3) + random.pick([0, 0, 1, K]);
      expect(parse(formatBytes(size)), String(size)).toBe(size);
    }
  });
});

describe('a number of seconds', () => {
  const { parse } = LIMIT_OPTIONS['idle-time'];

  test.each([
    ['1', 1_000],
    ['0.001', 1],
    ['0.5', 500],
    ['1.234', 1_234],
    ['0.1', 100],
    // 0.57 × 1000 is 569.9999999999999.
    ['0.57', 570],
    ['86400', 86_400_000],
    ['007', 7_000],
  ])('%s is %i ms', (text, time) => {
    expect(parse(text)).toBe(time);
  });

  test.each(['0.0001', '86400.001', '86401', '1000000', '1.2345', '10s'])('%s is refused', (text) => {
    expect(() => parse(text)).toThrow(
      `expected a number of seconds from 0.001 to 86400, or 0 (no limit), not "${text}"`,
    );
  });

  test('without a limit there must be one where it says so', () => {
    for (const name of ['dial-time', 'close-time'] as const)
      expect(() => LIMIT_OPTIONS[name].parse('0')).toThrow(
        'expected a number of seconds from 0.001 to 86400, not "0"',
      );
  });

  test('0 is 0 however it is written', () => {
    expect([parse('0.0'), parse('0.000'), parse('00')]).toEqual([0, 0, 0]);
  });

  test(`that is written is read as itself, to the millisecond (TEST_SEED=${SEED})`, () => {
    const random = new Random(SEED);
    for (let i = 0; i < 5_000; i += 1) {
      const time = random.int(1, 86_400_000);
      expect(parse(String(time / 1_000)), String(time)).toBe(time);
    }
  });
});

describe('a count', () => {
  test.each([
    ['max-connections', '1', 1],
    ['max-connections', '10000000', 10_000_000],
    ['head-fields', '1000', 1_000],
    ['connection-rate', '1000000', 1_000_000],
  ] as const)('%s takes %s', (name, text, value) => {
    expect(LIMIT_OPTIONS[name].parse(text)).toBe(value);
  });

  test.each([
    [
      'max-connections',
      '10000001',
      'expected a number from 1 to 10000000, or 0 (as many as the open files allow)',
    ],
    ['head-fields', '1001', 'expected a number from 1 to 1000'],
    ['connection-burst', '1000001', 'expected a number from 1 to 1000000, or 0 (one second’s worth)'],
    ['control-rate', '1K', 'expected a number from 1 to 10000000, or 0 (no limit)'],
  ] as const)('%s refuses %s', (name, text, message) => {
    expect(() => LIMIT_OPTIONS[name].parse(text)).toThrow(`${message}, not "${text}"`);
  });

  test('there are counts, sizes and times, and nothing else', () => {
    expect([...of('N'), ...of('BYTES'), ...of('SECONDS')].sort()).toEqual([...NAMES].sort());
  });
});
