/** The table of faults against the sources that use it and against what RFC 6455 and HTTP allow on the wire. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { asFault, FAULTS, Fault, type FaultCode, messageOf, PLUGIN_FAULTS } from '../src/errors.ts';

const SRC = new URL('../src/', import.meta.url).pathname;
const codes = Object.keys(FAULTS) as FaultCode[];

const sources = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && name !== 'errors.ts')
  .map((name) => readFileSync(join(SRC, name), 'utf8').replace(/^\s*(\*|\/\*|\/\/).*$/gm, ''))
  .join('\n');

describe('the table of faults', () => {
  test.each(codes)('%s is used somewhere in src/', (code) => {
    expect(sources).toContain(`'${code}'`);
  });

  test('every code that a Fault is made with in src/ stands in the table', () => {
    const used = [...sources.matchAll(/new Fault\(\s*'([^']*)'/g)].map((match) => match[1]);
    expect(used.length).toBeGreaterThan(10);
    expect(used.filter((code) => !Object.hasOwn(FAULTS, code!))).toEqual([]);
  });

  test.each(codes)(
    '%s has a close code that a server may send (RFC 6455 §7.4.1), or 1006 for none',
    (code) => {
      // 1010 is the client's; 1005 and 1015 may never be sent; 1004 is reserved; 1012 and 1014 would be lies here.
      expect([1000, 1001, 1002, 1003, 1006, 1007, 1008, 1009, 1011, 1013]).toContain(FAULTS[code].close);
    },
  );

  test.each(codes)('%s has an HTTP status that says an error', (code) => {
    const { status } = FAULTS[code];
    expect(status).toBeGreaterThanOrEqual(400);
    expect([400, 403, 404, 405, 408, 426, 429, 431, 500, 502, 503, 504]).toContain(status);
  });

  test.each(codes)('%s has a text that fits a Close frame and shows nothing internal', (code) => {
    const { text } = FAULTS[code];
    expect(text).not.toBe('');
    // RFC 6455 §5.5: a control frame holds 125 bytes, two of them the code.
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(123);
    expect(text).toMatch(/^[\x20-\x7e]+$/);
    expect(text).not.toMatch(/E[A-Z]{5,}|node:|\.ts\b|127\.0|backend|plugin|stack|undefined|Error/);
  });

  test.each([
    ['route-none', 404, 1011],
    ['route-invalid', 500, 1011],
    ['backend-failed', 500, 1011],
    ['backend-timeout', 504, 1011],
    ['dial-failed', 502, 1011],
    ['dial-timeout', 504, 1011],
    ['head-too-large', 431, 1002],
    ['method-refused', 405, 1002],
    ['upgrade-required', 426, 1002],
    ['version-unsupported', 426, 1002],
    ['stopping', 503, 1001],
    ['internal', 500, 1011],
    ['peer-closed', 502, 1000],
    ['peer-failed', 502, 1011],
    ['text-not-utf8', 400, 1007],
    ['message-too-large', 400, 1009],
    ['segment-too-large', 500, 1009],
    ['framing-failed', 500, 1011],
    ['client-silent', 408, 1006],
  ] as const)('%s answers %i before the upgrade and %i after it', (code, status, close) => {
    expect(FAULTS[code]).toMatchObject({ status, close });
  });

  test('what the client did is a 4xx, what the other side or we did is a 5xx', () => {
    for (const code of codes) {
      const { status, close } = FAULTS[code];
      if (close === 1002 || close === 1007) expect(status).toBeLessThan(500);
      if (code.startsWith('peer-') || code.startsWith('dial-') || code.startsWith('backend-'))
        expect(status).toBeGreaterThanOrEqual(500);
    }
  });
});

describe('Fault', () => {
  test('shows the wire text as its message, and keeps details and cause for the log', () => {
    const cause = new Error('connect ECONNREFUSED 10.0.0.1:5900');
    const fault = new Fault('dial-failed', { peer: 'tcp://10.0.0.1:5900' }, cause);
    expect(fault).toBeInstanceOf(Error);
    expect(fault).toMatchObject({
      name: 'Fault',
      code: 'dial-failed',
      status: 502,
      close: 1011,
      message: 'peer unreachable',
      details: { peer: 'tcp://10.0.0.1:5900' },
      cause,
    });
  });

  test('has no cause and no details unless given', () => {
    const fault = new Fault('stopping');
    expect('cause' in fault).toBe(false);
    expect(fault.details).toEqual({});
  });

  test.each(codes)('%s has a stack if the log shows one for it, and else none', (code) => {
    const traced = code === 'internal' || PLUGIN_FAULTS.includes(code);
    expect(new Fault(code).stack?.includes('errors.test.ts')).toBe(traced);
  });

  test('leaves the stacks of other errors as they are', () => {
    const limit = Error.stackTraceLimit;
    new Fault('peer-closed');
    expect(Error.stackTraceLimit).toBe(limit);
    expect(new Error('unforeseen').stack).toContain('errors.test.ts');
  });

  test('can be made in a program that has frozen its built-ins', () => {
    Object.defineProperty(Error, 'stackTraceLimit', { writable: false });
    try {
      expect(new Fault('peer-closed').code).toBe('peer-closed');
    } finally {
      Object.defineProperty(Error, 'stackTraceLimit', { writable: true });
    }
  });
});

describe('asFault', () => {
  test('leaves a Fault what it is', () => {
    const fault = new Fault('peer-closed');
    expect(asFault(fault)).toBe(fault);
    expect(asFault(fault, 'backend-failed')).toBe(fault);
  });

  test('makes the unforeseen internal, with the message in the details alone', () => {
    const error = new TypeError('x is not a function');
    const fault = asFault(error);
    expect(fault).toMatchObject({ code: 'internal', message: 'internal error', cause: error });
    expect(fault.details).toEqual({ message: 'x is not a function' });
  });

  test('takes the code that it is given', () => {
    expect(asFault(new Error('x'), 'framing-failed').code).toBe('framing-failed');
  });
});

describe('messageOf', () => {
  test.each([
    ['an Error', new Error('boom'), 'boom'],
    ['a string', 'boom', 'boom'],
    ['undefined', undefined, 'undefined'],
    ['null', null, 'null'],
    ['a number', 7, '7'],
    ['an object', {}, '[object Object]'],
    ['a symbol', Symbol('s'), 'Symbol(s)'],
  ])('reads %s', (_what, thrown, message) => {
    expect(messageOf(thrown)).toBe(message);
  });

  test('survives an object that cannot be made a string', () => {
    // A plugin may throw anything, `Object.create(null)` too.
    expect(() => messageOf(Object.create(null))).not.toThrow();
  });
});
