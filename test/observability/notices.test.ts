/** Warnings from before there is a log. */
import { expect, test } from 'vitest';
import { createLogger } from '../../src/observability/logger.ts';
import { Notices } from '../../src/observability/notices.ts';

function logTo(lines: string[], level: 'info' | 'error' = 'info') {
  return createLogger(level, (line) => lines.push(line.slice(line.indexOf('Z ') + 2)));
}

test('they are kept, in order, until there is a log, and then told once', () => {
  const notices = new Notices();
  notices.warn('one');
  notices.warn('two');
  expect(notices.kept).toEqual(['one', 'two']);
  const lines: string[] = [];
  notices.attach(logTo(lines));
  expect(lines).toEqual(['warn  one\n', 'warn  two\n']);
  expect(notices.kept).toEqual([]);
  notices.warn('three');
  expect(lines.at(-1)).toBe('warn  three\n');
  expect(lines).toHaveLength(3);
  expect(notices.kept).toEqual([]);
});

test('they are dropped where warnings are not wanted', () => {
  const notices = new Notices();
  const lines: string[] = [];
  notices.warn('one');
  notices.attach(logTo(lines, 'error'));
  notices.warn('two');
  expect(lines).toEqual([]);
});

test('each is one line, whatever a plugin says, and forges no other', () => {
  const notices = new Notices();
  notices.warn('a\n2026-01-01T00:00:00.000Z info  all is well\u001b[2J\u2028');
  const one = 'a\\u000a2026-01-01T00:00:00.000Z info  all is well\\u001b[2J\\u2028';
  expect(notices.kept).toEqual([one]);
  const lines: string[] = [];
  notices.attach(logTo(lines));
  notices.warn('a\nb');
  expect(lines).toEqual([`warn  ${one}\n`, 'warn  a\\u000ab\n']);
});
