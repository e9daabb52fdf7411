/** docs/backends.md against the code and the examples that it quotes. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { BackendPlugin } from '../../src/plugins/api.ts';
import { builtIn, findBuiltIn } from '../../src/plugins/modules.ts';

const page = readFileSync('docs/backends.md', 'utf8');

describe.each(builtIn('backend'))('the backend %s', (name) => {
  /** What is said of it: from its heading to the next one of the same level. */
  const section = page.split(/^## /m).find((text) => text.startsWith(`\`${name}\`\n`)) ?? '';

  test('has a section, which lists its options with their defaults, and no others', async () => {
    const rows = [...section.matchAll(/^\| `([a-z-]+)` \| (.*?) ?\| [^|]* \|$/gm)];
    const { default: plugin } = (await findBuiltIn('backend', name)!()) as { default: BackendPlugin };
    const documented = rows.map(([, option, value]) => [option, value]);
    expect(documented).toEqual(
      Object.entries(plugin.options).map(([option, { default: value }]) => [
        option,
        value === undefined ? '' : `\`${value}\``,
      ]),
    );
  });
});

const examples = readdirSync('examples/targets').map((name) => `examples/targets/${name}`);

test.each(['examples/targets.conf', ...examples])('quotes %s as it stands in the file', (file) => {
  expect(page).toContain(`\n${readFileSync(file, 'utf8')}\`\`\``);
});

test.each([...page.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(([, target]) => target!))(
  'links to %s, which exists',
  (target) => {
    expect(existsSync(new URL(target, new URL('../../docs/', import.meta.url)))).toBe(true);
  },
);
