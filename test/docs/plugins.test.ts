/** docs/plugins.md against the contract, the faults, the limits and the examples that it quotes. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { FAULTS, type FaultCode } from '../../src/errors.ts';
import { DEFAULT_LIMITS } from '../../src/limits.ts';
import { API_VERSION } from '../../src/plugins/api.ts';

const ROOT = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, ROOT), 'utf8');
const page = read('docs/plugins.md');

/** Each section of the contract: what is told there, and the members in its table. */
const told = new Map(
  [...page.matchAll(/^### `(\w+)`.*\n([\s\S]*?)(?=^#)/gm)].map(([, name = '', text = '']) => [
    name,
    [...text.matchAll(/^\| `(\w+)(?:\([^)]*\))?(\??)(?:\([^)]*\))?` \|/gm)].map(
      ([, member, mark]) => `${member}${mark}`,
    ),
  ]),
);

/** The interfaces of the contract, and their members. */
const contract = [...read('src/plugins/api.ts').matchAll(/^export interface (\w+) \{\n([\s\S]*?)^\}/gm)].map(
  ([, name = '', body = '']): [string, string[]] => [
    name,
    [...body.matchAll(/^ {2}(?:readonly )?(\w+)(\??)[(:]/gm)].map(([, member, mark]) => `${member}${mark}`),
  ],
);

describe('docs/plugins.md', () => {
  test.each(contract)('has each member of %s in its table, in order', (name, members) => {
    expect(members.length).toBeGreaterThan(0);
    expect(told.get(name)).toEqual(members);
  });

  test('tells of nothing that is not in the contract', () => {
    expect([...told.keys()].sort()).toEqual(contract.map(([name]) => name).sort());
  });

  test('states the version, and the types of messages', () => {
    expect(page).toContain(`| \`apiVersion\` | \`${API_VERSION}\` |`);
    for (const type of ['text', 'binary', 'auto', 'discard']) expect(page).toContain(`\`'${type}'\``);
  });

  const blocks = [...page.matchAll(/^```(?:js|ts)\n([\s\S]*?)^```$/gm)].map(([, text]) => text!);
  const examples = readdirSync(new URL('examples/plugins/', ROOT));

  test.each(['by-path.mjs', 'lines.mjs', 'lines.test.mjs', 'typed.ts'])('quotes %s as it stands', (name) => {
    expect(blocks).toContain(read(`examples/plugins/${name}`));
  });

  test('quotes no program that nobody runs', () => {
    const sources = examples.map((name) => read(`examples/plugins/${name}`));
    const loose = blocks.filter((block) => !sources.includes(block) && block.split('\n').length > 3);
    expect(loose).toEqual([]);
  });

  test.each(examples)('links to the example %s', (name) => {
    expect(page).toContain(`](../examples/plugins/${name})`);
  });

  test.each([...page.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(([, target]) => target!))(
    'links to %s, which exists',
    (target) => {
      expect(existsSync(new URL(target, new URL('docs/', ROOT)))).toBe(true);
    },
  );

  test.each(
    [...page.matchAll(/^\|.*\| (HTTP|close code) (\d+).*why=([a-z-]+)/gm)].map((row) => row.slice(1)),
  )('says %s %s for %s, as the table of faults does', (where, number, code) => {
    const { status, close } = FAULTS[code as FaultCode];
    expect(Number(number)).toBe(where === 'HTTP' ? status : close);
  });

  test('names each way in which a plugin can fail', () => {
    const plugins: FaultCode[] = [
      'backend-failed',
      'backend-timeout',
      'route-invalid',
      'framing-failed',
      'segment-too-large',
    ];
    for (const code of plugins) expect(page).toContain(`why=${code}`);
  });

  test('states the limits', () => {
    expect(page).toContain(`takes longer than ${DEFAULT_LIMITS.queryTimeout / 1000} s`);
    expect(page).toContain(`more than ${DEFAULT_LIMITS.segmentBytes / 1024 ** 2} MiB wait for their end`);
  });
});

test('examples/plugins/lines.test.mjs passes', async () => {
  const file = fileURLToPath(new URL('examples/plugins/lines.test.mjs', ROOT));
  const { stdout } = await promisify(execFile)(process.execPath, ['--test', file], { timeout: 15_000 });
  expect(stdout).toMatch(/^. pass 2$/m);
});
