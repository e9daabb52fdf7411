/** What `--help` says against the tables that it is about: nothing may be missing, nothing may be made up. */
import { describe, expect, test } from 'vitest';
import { ALL_FLAGS } from '../../src/config/argv.ts';
import { helpText } from '../../src/config/help.ts';
import { DAEMON_OPTIONS } from '../../src/config/tables.ts';
import defaultBackend from '../../src/plugins/backends/default.ts';
import { builtIn } from '../../src/plugins/modules.ts';

const help = helpText();
const rows = help.split('\n').filter((line) => line.startsWith('  '));

function rowOf(start: RegExp): string {
  const found = rows.filter((line) => start.test(line));
  expect(found).toHaveLength(1);
  return found[0]!;
}

describe('the help text', () => {
  test.each(ALL_FLAGS)('lists %s', (flag) => {
    expect(help).toMatch(new RegExp(`(^|[ ,])${flag}([ ,]|$)`, 'm'));
  });

  test('lists no flag that there is not', () => {
    const listed = rows.flatMap((line) => [...line.slice(0, 34).matchAll(/(?<![\w-])--?[a-zA-Z][\w-]*/g)]);
    expect(listed.length).toBeGreaterThan(15);
    expect(listed.map(([flag]) => flag).filter((flag) => !ALL_FLAGS.includes(flag))).toEqual([]);
  });

  test.each(Object.entries(DAEMON_OPTIONS))('tells what %s takes, does and is by default', (_name, spec) => {
    const row = rowOf(new RegExp(`^  ${spec.flags.join(', ')} ${spec.placeholder}  `));
    expect(row).toContain(spec.description);
    const standard = spec.defaultText ?? String(spec.default);
    expect(row.endsWith(standard === '' ? spec.description : `(${standard})`)).toBe(true);
  });

  test.each(Object.entries(defaultBackend.options))('tells of the default backend’s %s', (name, option) => {
    const row = rowOf(new RegExp(`^  -c ${name}=`));
    expect(row).toContain(option.description);
    if ('default' in option) expect(row.endsWith(`(${option.default})`)).toBe(true);
    expect(row).not.toContain('undefined');
  });

  test('names every built-in plugin', () => {
    expect(help).toContain(`backends: ${builtIn('backend').join(', ')}\n`);
    expect(help).toContain(`framings: ${builtIn('framing').join(', ')}\n`);
  });

  test('tells the exit statuses, has a text for every row, and fits a wide terminal', () => {
    expect(help).toMatch(/exit status: 0 .*1 .*2 /);
    for (const row of rows) expect(row).toMatch(/^ {2}\S.*\S {1,}\S|^ {7}websocksy FILE$/);
    for (const line of help.split('\n')) expect(line.length).toBeLessThanOrEqual(132);
  });
});

describe('the defaults', () => {
  const written = Object.entries(DAEMON_OPTIONS).map(
    ([name, spec]) => [name, spec, spec.defaultText ?? String(spec.default)] as const,
  );

  test.each(written.filter(([, , text]) => text !== ''))(
    'of %s would be taken if someone wrote them',
    (_name, spec, text) => {
      expect(spec.parse(text)).toBe(spec.default);
    },
  );
});
