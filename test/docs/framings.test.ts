/** What docs/framings.md shows against what the framings do: the table, and each example by the real segmenter. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { FramingPlugin } from '../../src/plugins/api.ts';
import { builtIn, findBuiltIn } from '../../src/plugins/modules.ts';
import { expectFramed } from '../support/framed.ts';

const page = readFileSync(new URL('../../docs/framings.md', import.meta.url), 'utf8');

/** Lines like: - `configuration`: `stream` → `[message]`, and binary `[message]` at the end */
const EXAMPLE = /^- (?:`([^`]+)`: )?`([^`]+)` → (.+)$/gm;
const MESSAGE = /(binary )?`\[([^`]*)\]`/g;

const examples = page.split('\n## ').flatMap((section) => {
  const [name = ''] = section.split('\n', 1);
  return [...section.matchAll(EXAMPLE)].map(([, config, stream, messages]) => ({
    name,
    config,
    stream: stream!,
    messages: [...messages!.matchAll(MESSAGE)].map(([, binary, bytes]) => ({
      binary: binary !== undefined,
      bytes: bytes!,
    })),
  }));
});

/** The bytes that are written with escapes. */
function read(text: string): string {
  const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', 0: '\0' };
  return text.replace(/\\(?:x([0-9a-f]{2})|(.))/g, (_all, hex?: string, letter?: string) =>
    hex === undefined ? escapes[letter!]! : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

async function load(name: string): Promise<FramingPlugin> {
  return (await findBuiltIn('framing', name)!())['default'] as FramingPlugin;
}

test('docs/framings.md lists every framing that is built in, in the order of the code', () => {
  const rows = [...page.matchAll(/^\| `(\w+)` \| [^|]+ \| [^|]+ \|$/gm)].map(([, name]) => name!);
  expect(rows.slice(0, builtIn('framing').length)).toEqual(builtIn('framing'));
});

describe('the examples in docs/framings.md', () => {
  test('are found', () => {
    expect(new Set(examples.map(({ name }) => name))).toEqual(
      new Set(['separator', 'newline', 'fixedlength', 'dynamic32', 'json']),
    );
    expect(examples.every(({ messages }) => messages.length > 0)).toBe(true);
  });

  test.each(examples)('$name $config: $stream', async ({ name, config, stream, messages }) => {
    const make = (await load(name)).configure(config);
    const text = name === 'newline' || name === 'json';
    expectFramed(
      make,
      read(stream),
      messages.map(({ binary, bytes }) => [binary || !text ? 'binary' : 'text', read(bytes)]),
    );
  });
});
