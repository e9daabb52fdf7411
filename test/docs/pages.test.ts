/** What the pages say against what the code does: codes, options, and the examples that they quote. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ALL_FLAGS } from '../../src/config/argv.ts';
import { DAEMON_OPTIONS } from '../../src/config/tables.ts';
import { FAULTS } from '../../src/errors.ts';
import defaultBackend from '../../src/plugins/backends/default.ts';
import { builtIn } from '../../src/plugins/modules.ts';

const read = (page: string) => readFileSync(new URL(`../../${page}`, import.meta.url), 'utf8');

/** The cells of each table row of a page, without those of headings. */
function rows(page: string): string[][] {
  return read(page)
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('|---'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

describe('docs/errors.md', () => {
  const codes = rows('docs/errors.md').filter(([code]) => code?.startsWith('`'));

  test('lists every code, in the order of the table in the code', () => {
    expect(codes.map(([code]) => code)).toEqual(Object.keys(FAULTS).map((code) => `\`${code}\``));
  });

  test.each(Object.entries(FAULTS))('says what the wire is told for %s', (code, { status, close, text }) => {
    const [, http, frame, shown] = codes.find(([name]) => name === `\`${code}\``) ?? [];
    expect(http?.replace(/[()]/g, '')).toBe(String(status));
    expect(frame?.replace(/[()]/g, '')).toBe(close === 1006 ? 'none' : String(close));
    expect(shown).toBe(text);
  });
});

describe('README.md', () => {
  const readme = read('README.md');
  const options = rows('README.md');

  test.each(ALL_FLAGS)('lists the option %s', (flag) => {
    expect(options.some(([left]) => left?.split(/[\s,`]+/).includes(flag))).toBe(true);
  });

  test.each(Object.values(DAEMON_OPTIONS))('states the default of $flags', ({ flags, ...spec }) => {
    const row = options.find(([left]) => left?.split(/[\s,`]+/).includes(flags[0]!));
    const standard = spec.defaultText ?? String(spec.default);
    expect(row?.[1]).toBe(standard === '' ? '' : `\`${standard}\``);
  });

  test.each(Object.entries(defaultBackend.options))(
    'lists the option %s of the default backend',
    (name, option) => {
      const row = options.find(([left]) => left === `\`${name}\``);
      expect(row).toBeDefined();
      expect(row?.[1]).toBe('default' in option ? `\`${option.default}\`` : '');
    },
  );

  test.each(builtIn('framing'))('names the framing %s', (name) => {
    expect(readme).toContain(`\`${name}\``);
  });

  test.each(['examples/vnc.conf', 'examples/plugins/by-path.mjs', 'examples/plugins/lines.mjs'])(
    'quotes %s as it stands in the file',
    (file) => {
      expect(readme).toContain(read(file));
    },
  );

  test.each([...readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(([, target]) => target!))(
    'links to %s, which exists',
    (target) => {
      expect(() => readFileSync(new URL(`../../${target}`, import.meta.url))).not.toThrow(/ENOENT/);
    },
  );
});

describe('docs/decisions', () => {
  test('are all listed on their first page', () => {
    const page = read('docs/decisions/README.md');
    const listed = [...page.matchAll(/\]\(([^)]+)\)/g)].map(([, file]) => file!);
    expect(listed.length).toBeGreaterThan(0);
    for (const file of listed) expect(read(`docs/decisions/${file}`)).toMatch(/^# \d{3}: /);
  });
});
