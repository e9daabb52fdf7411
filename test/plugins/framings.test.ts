/** What framings a connection may use, and under which names. */
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { FramingBounds } from '../../src/plugins/api.ts';
import { Framings } from '../../src/plugins/framings.ts';
import { loadFraming } from '../../src/plugins/loader.ts';
import { builtIn } from '../../src/plugins/modules.ts';
import { refusal } from '../support/refusal.ts';

const FIXTURES = new URL('../fixtures/plugins/', import.meta.url).pathname;
const BOUNDS: FramingBounds = { maximum: 1000 };

describe('the framings that connections may use', () => {
  test('are those that were loaded', async () => {
    const framings = new Framings();
    expect(() => framings.create('auto', undefined, BOUNDS)).toThrow(/unknown framing "auto"/);
    await framings.loadBuiltIn();
    for (const name of builtIn('framing')) if (name === 'auto') framings.create(name, undefined, BOUNDS);
    expect(() => framings.create(`${FIXTURES}lines-framing.mjs`, undefined, BOUNDS)).toThrow(
      /unknown framing/,
    );
    await framings.load('./lines-framing.mjs', FIXTURES);
    expect(framings.create(`${FIXTURES}lines-framing.mjs`, undefined, BOUNDS).type).toBe('text');
    // A mistyped one is compared with what is loaded.
    expect(() => framings.create(`${FIXTURES}lines-framin.mjs`, undefined, BOUNDS)).toThrow(
      /did you mean \/.*\/lines-framing\.mjs\?/,
    );
  });

  test('are made anew for each connection', async () => {
    const framings = new Framings();
    await framings.load('./lines-framing.mjs', FIXTURES);
    expect(framings.create(`${FIXTURES}lines-framing.mjs`, '\n', BOUNDS)).not.toBe(
      framings.create(`${FIXTURES}lines-framing.mjs`, '\n', BOUNDS),
    );
  });

  test('are known by their files, wherever they are named from', async () => {
    const framings = new Framings();
    const known = `${FIXTURES}lines-framing.mjs`;
    expect(await framings.load('./lines-framing.mjs', FIXTURES)).toBe(known);
    expect(await framings.load('../plugins/lines-framing.mjs', FIXTURES)).toBe(known);
    expect(await framings.load(known, '/nowhere')).toBe(known);
    expect(await framings.load(pathToFileURL(known).href, '/nowhere')).toBe(known);
  });

  test('go by their own names if they were added, and none can take a name that is taken', async () => {
    const framings = new Framings();
    await framings.loadBuiltIn();
    const plugin = await loadFraming('./lines-framing.mjs', FIXTURES);
    framings.add(plugin);
    expect(await framings.load('lines', '/nowhere')).toBe('lines');
    expect(framings.create('lines', '\n', BOUNDS).type).toBe('text');
    expect(() => framings.add(plugin)).toThrow('there is a framing "lines" already');
    expect(() => framings.add({ ...plugin, name: 'auto' })).toThrow('there is a framing "auto" already');
  });

  test('are told how large a message may become', () => {
    const framings = new Framings();
    const told: FramingBounds[] = [];
    framings.add({
      apiVersion: 1,
      kind: 'framing',
      name: 'curious',
      configure: () => (bounds) => {
        told.push(bounds);
        return { type: 'binary', next: () => 0 };
      },
    });
    framings.create('curious', undefined, { maximum: 12 });
    expect(told).toEqual([{ maximum: 12 }]);
  });

  test('a bad one is not remembered as loaded', async () => {
    const framings = new Framings();
    await refusal(framings.load('./throws.mjs', FIXTURES));
    await refusal(framings.load('./throws.mjs', FIXTURES));
    expect(() => framings.create(`${FIXTURES}throws.mjs`, undefined, BOUNDS)).toThrow(/unknown framing/);
  });

  test.each([
    ['./lines-framing.mjs', 'too long', /expected one character that ends a line/],
    ['./no-next.mjs', undefined, /it made something without "next"/],
    ['./no-factory.mjs', undefined, /function/],
  ])('%s with the configuration %j is refused by name', async (name, config, message) => {
    const framings = new Framings();
    const known = await framings.load(name, FIXTURES);
    expect(() => framings.create(known, config, BOUNDS)).toThrow(message);
    expect(() => framings.create(known, config, BOUNDS)).toThrow(`framing ${JSON.stringify(known)}: `);
  });

  test('one whose type is none of those that there are is refused', async () => {
    // Otherwise a misspelt type is silently taken for "auto".
    const framings = new Framings();
    await framings.load('./odd-type.mjs', FIXTURES);
    expect(() => framings.create(`${FIXTURES}odd-type.mjs`, undefined, BOUNDS)).toThrow(/type/);
  });
});
