/** The road on which built-in plugins and strangers' come in, and what every kind of bad one is told. */
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadBackend, loadFraming } from '../../src/plugins/loader.ts';
import { builtIn } from '../../src/plugins/modules.ts';
import { refusal } from '../support/refusal.ts';

const FIXTURES = new URL('../fixtures/plugins/', import.meta.url).pathname;

describe('built-in plugins', () => {
  test('are these', () => {
    expect(builtIn('backend')).toContain('default');
    expect(builtIn('framing')).toEqual(expect.arrayContaining(['auto', 'binary']));
  });

  test.each(builtIn('backend'))('backend %s meets the contract and bears its name', async (name) => {
    const plugin = await loadBackend(name, '/nowhere');
    expect(plugin).toMatchObject({ apiVersion: 1, kind: 'backend', name });
    for (const [option, { description }] of Object.entries(plugin.options)) {
      expect(option).toMatch(/^[a-z-]+$/);
      expect(description).not.toBe('');
    }
  });

  test.each(builtIn('framing'))('framing %s meets the contract and bears its name', async (name) => {
    expect(await loadFraming(name, '/nowhere')).toMatchObject({ apiVersion: 1, kind: 'framing', name });
  });
});

describe('a plugin named by a path', () => {
  test('is loaded from where the path counts', async () => {
    expect((await loadFraming('./lines-framing.mjs', FIXTURES)).name).toBe('lines');
    expect((await loadFraming('../plugins/lines-framing.mjs', FIXTURES)).name).toBe('lines');
    expect((await loadFraming(resolve(FIXTURES, 'lines-framing.mjs'), '/nowhere')).name).toBe('lines');
    expect((await loadBackend('./path-backend.mjs', FIXTURES)).name).toBe('by-path');
  });

  test('is not looked for where the path does not count from', async () => {
    expect(await refusal(loadFraming('./lines-framing.mjs', '/nowhere'))).toMatch(
      /\/nowhere\/lines-framing\.mjs/,
    );
  });

  test.each([
    ['./old-api.mjs', /apiVersion is 0, but this daemon speaks version 1/],
    ['./no-api.mjs', /apiVersion is nothing, but this daemon speaks version 1/],
    ['./no-default.mjs', /its default export must be an object with apiVersion, kind and name/],
    ['./null-default.mjs', /its default export must be an object with apiVersion, kind and name/],
    ['./function-default.mjs', /its default export must be an object with apiVersion, kind and name/],
    ['./path-backend.mjs', /is a plugin of kind "backend", not a framing/],
    ['./no-function.mjs', /it must have a function "configure"/],
    ['./no-name.mjs', /it has no name/],
    ['./empty-name.mjs', /it has no name/],
    ['./throws.mjs', /could not be loaded: this plugin cannot be here/],
    ['./missing.mjs', /could not be loaded: there is no file .*\/missing\.mjs/],
    ['./', /could not be loaded/],
  ])('%s is refused as a framing, by name and with what to do', async (name, message) => {
    const said = await refusal(loadFraming(name, FIXTURES));
    expect(said).toMatch(message);
    expect(said).toContain(JSON.stringify(name));
    expect(said).not.toContain('\n');
  });

  test.each([
    ['./lines-framing.mjs', /is a plugin of kind "framing", not a backend/],
    ['./no-create.mjs', /it must have a function "create"/],
    ['./no-options.mjs', /it must have an object "options", which may be empty/],
    ['./number-default.mjs', /its option "retries" has the default 5, which must be a string/],
    ['./throws.mjs', /could not be loaded: this plugin cannot be here/],
    ['./missing.mjs', /could not be loaded: there is no file .*\/missing\.mjs/],
  ])('%s is refused as a backend, by name and with what to do', async (name, message) => {
    const said = await refusal(loadBackend(name, FIXTURES));
    expect(said).toMatch(message);
    expect(said).toContain(JSON.stringify(name));
    expect(said).not.toContain('\n');
  });
});

describe('a name that is unknown', () => {
  test.each([
    ['binari', /^unknown framing "binari"; did you mean binary\?/],
    ['Auto', /did you mean auto\?/],
    ['nothing-like-it', /there are: .*auto.*binary/],
    ['', /there are: /],
    ['constructor', /unknown framing "constructor"/],
    ['__proto__', /unknown framing "__proto__"/],
    ['lines-framing.mjs', /named by its path, as in \.\/my\.mjs/],
    ['node:fs', /unknown framing "node:fs"/],
    ['data:text/javascript,export default {}', /unknown framing/],
    ['not-installed', /unknown framing "not-installed"/],
  ])('%j is no framing, is not imported, and the nearest is suggested', async (name, message) => {
    expect(await refusal(loadFraming(name, FIXTURES))).toMatch(message);
  });

  test('is no backend either', async () => {
    expect(await refusal(loadBackend('defualt', FIXTURES))).toMatch(
      /^unknown backend "defualt"; did you mean default\? \(a backend of your own is named by its path/,
    );
    expect(await refusal(loadBackend('auto', FIXTURES))).toMatch(
      /^unknown backend "auto"; there are: .*default/,
    );
  });
});
