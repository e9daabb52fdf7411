import { describe, expect, test } from 'vitest';
import { DEFAULT_CASES } from '../../conformance/cases.ts';
import { HELP, OPTIONS, parseOptions } from '../../conformance/options.ts';

describe('the command line', () => {
  test('is the usual selection against the daemon if it is empty', () => {
    expect(parseOptions([])).toMatchObject({
      cases: DEFAULT_CASES,
      exclude: [],
      url: undefined,
      daemonArgs: [],
      timeout: undefined,
      help: false,
    });
  });

  test('takes patterns with commas and by several options', () => {
    const options = parseOptions(['--cases', '1.*, 2.1', '--cases=3', '--exclude', '1.1.1,1.1.2']);
    expect(options).toMatchObject({ cases: ['1.*', '2.1', '3'], exclude: ['1.1.1', '1.1.2'] });
  });

  test('takes all cases, less some', () => {
    expect(parseOptions(['--full', '--exclude', '9'])).toMatchObject({ cases: ['*'], exclude: ['9'] });
  });

  test('takes arguments of the daemon that look like options', () => {
    const options = parseOptions(['--daemon-arg=--compression', '--daemon-arg', 'off']);
    expect(options.daemonArgs).toEqual(['--compression', 'off']);
  });

  test('takes times in seconds', () => {
    expect(parseOptions(['--timeout', '60', '--silence=1'])).toMatchObject({
      timeout: 60_000,
      silence: 1000,
    });
  });

  test('takes the folder to install into from the environment, if it has none itself', () => {
    const env = { WSTEST_HOME: '/a' };
    expect(parseOptions([], env).installFolder).toBe('/a');
    expect(parseOptions(['--install-folder', '/b'], env).installFolder).toBe('/b');
    expect(parseOptions([], { WSTEST_HOME: '' }).installFolder).toBeUndefined();
  });

  test.each([
    ['an unknown option', ['--case', '1'], "Unknown option '--case'"],
    ['a word without an option', ['1.1.1'], "Unexpected argument '1.1.1'"],
    ['an option without its value', ['--url'], '--url'],
    ['a value for an option that has none', ['--full=yes'], '--full'],
    ['an empty pattern', ['--cases', '1,'], '--cases: a pattern is empty'],
    ['both all cases and some', ['--full', '--cases', '1'], '--full and --cases exclude each other'],
    [
      'arguments for a daemon that is not started',
      ['--url', 'ws://h', '--daemon-arg', 'x'],
      'no daemon is started',
    ],
    ['an address of another kind', ['--url', 'http://h/'], '--url: no ws:// address: http://h/'],
    ['no address', ['--url', 'localhost:80'], '--url: no ws:// address'],
    ['a time of nothing', ['--timeout', '0'], '--timeout: a number of seconds'],
    ['a time that is no number', ['--silence', '1m'], '--silence: a number of seconds'],
    ['a time that no timer takes', ['--timeout', '2147484'], '--timeout: a number of seconds'],
  ])('with %s is refused', (_what, args, message) => {
    expect(() => parseOptions(args)).toThrow(message);
  });
});

test('the help lists every option, and no other', () => {
  const listed = [...HELP.matchAll(/^ {2}--([\w-]+)(?: ([A-Z]+))? {2}/gm)];
  const types = listed.map(([, name, value]) => [name, value === undefined ? 'boolean' : 'string']);
  expect(Object.fromEntries(types)).toEqual(
    Object.fromEntries(Object.entries(OPTIONS).map(([name, { type }]) => [name, type])),
  );
});
