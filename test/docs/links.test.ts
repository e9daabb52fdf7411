/** Every page: what it links to is there. And every example is on some page. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = new URL('../../', import.meta.url);

const files = (folder: string, ending: string) =>
  readdirSync(new URL(folder, ROOT), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => posix.join(folder, name));

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...files('docs/', '.md'),
  ...files('conformance/', '.md'),
  ...files('bench/', '.md'),
];
const texts = new Map(pages.map((page) => [page, readFileSync(new URL(page, ROOT), 'utf8')]));

describe.each(pages)('%s', (page) => {
  const targets = [...texts.get(page)!.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, target]) => target!);

  test('links to nothing that is not there', () => {
    const places = targets.map((target) => posix.join(posix.dirname(page), target));
    expect(places.filter((place) => !existsSync(new URL(place, ROOT)))).toEqual([]);
  });
});

test.each([...files('examples/', '.conf'), ...files('examples/plugins/', 's')])(
  'some page tells of %s',
  (example) => {
    const name = posix.basename(example);
    expect([...texts.values()].some((text) => text.includes(name))).toBe(true);
  },
);
