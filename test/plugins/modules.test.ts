/** From names to modules, in folders with real packages; and what is said of modules that break on the way in. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { importBuilt } from '../support/built.ts';

const { loadBackend, loadFraming, loadPlugin } =
  await importBuilt<typeof import('../../src/plugins/loader.ts')>('src/plugins/loader.ts');
const { importModule, isPath, NoSuchModule, toFile } =
  await importBuilt<typeof import('../../src/plugins/modules.ts')>('src/plugins/modules.ts');

const EXECUTABLE = fileURLToPath(new URL('../../dist/bin/websocksy.js', import.meta.url));
const STRIPS_TYPES = Boolean((process.features as { typescript?: unknown }).typescript);

// What Node says of a package names its folder without symbolic links.
const root = realpathSync(mkdtempSync(join(tmpdir(), 'websocksy-modules-')));
afterAll(() => rmSync(root, { recursive: true }));

/** Writes a file below the temporary folder, and returns its path. */
function file(path: string, text: string): string {
  const whole = join(root, path);
  mkdirSync(dirname(whole), { recursive: true });
  writeFileSync(whole, text);
  return whole;
}

function pack(folder: string, manifest: object, files: Readonly<Record<string, string>> = {}): void {
  file(`${folder}/package.json`, JSON.stringify(manifest));
  for (const [name, text] of Object.entries(files)) file(`${folder}/${name}`, text);
}

/** The text of a framing that says by its name which copy it is. */
const framing = (name: string, head = 'export default'): string =>
  `${head} { apiVersion: 1, kind: 'framing', name: '${name}',
     configure: () => () => ({ type: 'binary', next: (_, start, end) => end - start }) };\n`;

async function refusal(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => new Error('it was loaded'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Error);
  const { message } = error as Error;
  expect(message).not.toMatch(/[\r\n]/);
  return message;
}

// So that no package.json further up says what a `.js` file is.
file('package.json', '{}');

const at = (folder: string): string => join(root, folder);

describe('a package', () => {
  beforeAll(() => {
    const esm = { type: 'module', exports: './index.js' };
    pack(
      'a/node_modules/esm-only',
      { name: 'esm-only', exports: { '.': { import: './index.mjs' } } },
      { 'index.mjs': framing('esm-only in a') },
    );
    pack(
      'b/node_modules/esm-only',
      { name: 'esm-only', exports: { import: './index.mjs' } },
      { 'index.mjs': framing('esm-only in b') },
    );
    pack(
      'a/node_modules/common',
      { name: 'common', main: 'main.js' },
      { 'main.js': framing('common', 'module.exports =') },
    );
    pack(
      'a/node_modules/compiled',
      { name: 'compiled', main: 'main.js' },
      {
        'main.js': `"use strict"; Object.defineProperty(exports, '__esModule', { value: true });
          ${framing('compiled', 'exports.default =')}`,
      },
    );
    pack(
      'a/node_modules/@scope/framing',
      { name: '@scope/framing', ...esm },
      { 'index.js': framing('scoped') },
    );
    pack(
      'a/node_modules/several',
      { name: 'several', type: 'module', exports: { './lines': './lines.js', './package.json': null } },
      { 'lines.js': framing('sub-path') },
    );
    pack('a/node_modules/bare', { name: 'bare' }, { 'deep/in.mjs': framing('file of a package') });
    pack(
      'node_modules/in-parent',
      { name: 'in-parent', ...esm },
      { 'index.js': framing('in the parent folder') },
    );
    pack(
      'a/node_modules/needs-more',
      { name: 'needs-more', ...esm },
      { 'index.js': `import 'not-there';\n${framing('needs-more')}` },
    );
    pack(
      'a/node_modules/needs-file',
      { name: 'needs-file', ...esm },
      { 'index.js': `import './gone.js';\n${framing('needs-file')}` },
    );
    pack(
      'a/node_modules/odd-import',
      { name: 'odd-import', ...esm },
      { 'index.js': `import './a%2fb.js';\n${framing('odd-import')}` },
    );
    pack('a/node_modules/no-main', { name: 'no-main', main: 'gone.js' });
    pack('a/node_modules/empty', { name: 'empty' });
    file('a/node_modules/broken/package.json', '{');
    pack('a/node_modules/wrong', { name: 'wrong', ...esm }, { 'index.js': 'export default {' });
    pack('a/node_modules/test', { name: 'test', ...esm }, { 'index.js': framing('a package called test') });
    mkdirSync(at('linked'), { recursive: true });
    symlinkSync(at('a/node_modules'), at('linked/node_modules'));
    mkdirSync(at('a/deeper/still'), { recursive: true });
  });

  test.each([
    ['esm-only', 'a', 'esm-only in a'],
    ['esm-only', 'b', 'esm-only in b'],
    ['esm-only', 'a/deeper/still', 'esm-only in a'],
    ['esm-only', 'a/not/there/yet', 'esm-only in a'],
    ['esm-only', 'linked', 'esm-only in a'],
    ['common', 'a', 'common'],
    ['compiled', 'a', 'compiled'],
    ['@scope/framing', 'a', 'scoped'],
    ['several/lines', 'a', 'sub-path'],
    ['bare/deep/in.mjs', 'a', 'file of a package'],
    ['in-parent', 'a', 'in the parent folder'],
    ['test', 'a', 'a package called test'],
  ])('%s is found from %s', async (name, folder, found) => {
    expect((await loadFraming(name, at(folder))).name).toBe(found);
    expect((await loadPlugin(name, at(folder))).name).toBe(found);
  });

  test.each([
    ['common', 'b'],
    ['@scope/framing', 'b'],
    ['@scope/other', 'a'],
    ['several/lines', 'b'],
    ['esm-only', '.'],
    // Installed beside us, not beside whoever names it.
    ['typescript', 'a'],
  ])('%s is not found from %s', async (name, folder) => {
    expect(await refusal(loadFraming(name, at(folder)))).toContain(
      name.startsWith('@')
        ? `framing "${name}" could not be loaded: no package of that name is installed for ${at(folder)}`
        : `unknown framing "${name}"`,
    );
    expect(await refusal(loadPlugin(name, at(folder)))).toBe(
      `plugin "${name}" could not be loaded: no package of that name is installed for ${at(folder)}`,
    );
  });

  test.each([
    ['needs-more', "Cannot find package 'not-there'"],
    ['needs-file', 'Cannot find module'],
    ['odd-import', 'must not include encoded'],
    ['no-main', 'gone.js'],
    ['empty', 'index.js'],
    ['broken', 'Invalid package config'],
    ['several', 'No "exports" main defined'],
    ['several/other', "Package subpath './other' is not defined"],
    ['bare/deep/gone.mjs', 'gone.mjs'],
    ['wrong', `Unexpected end of input (node -e 'import("wrong")' in `],
  ])('%s is there and fails, so it is not called unknown', async (name, why) => {
    const said = await refusal(loadFraming(name, at('a')));
    expect(said).toContain(`framing "${name}" could not be loaded: `);
    expect(said).toContain(why);
  });

  test('of the same name in two folders is two plugins', async () => {
    const [one, other] = [await loadFraming('esm-only', at('a')), await loadFraming('esm-only', at('b'))];
    expect(one).not.toBe(other);
    expect(await loadFraming('esm-only', at('a/deeper'))).toBe(one);
  });

  test.each(['o #1', 'p%41q', 'q?x=1', 'ü €'])('is found from a folder called %j', async (folder) => {
    pack(`${folder}/node_modules/mine`, { name: 'mine', main: 'm.mjs' }, { 'm.mjs': framing(folder) });
    expect((await loadFraming('mine', at(folder))).name).toBe(folder);
    expect(await refusal(loadPlugin('yours', at(folder)))).toContain('no package of that name is installed');
  });

  test('is loaded by the built daemon without a warning of Node’s', async () => {
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      [EXECUTABLE, '--check', '-c', 'framing=esm-only'],
      { cwd: at('a') },
    );
    expect({ stdout, stderr }).toEqual({
      stdout: expect.stringContaining('\nframing = esm-only\n'),
      stderr: '',
    });
  });

  test('that is loaded leaves other experimental features to be warned of', async () => {
    const { emitWarning } = process;
    await loadFraming('esm-only', at('a'));
    await refusal(loadFraming('not-there', at('a')));
    expect(process.emitWarning).toBe(emitWarning);
  });
});

describe('never imported is', () => {
  test.each([
    ...['fs', 'fs/promises', 'node:fs', 'node:test', 'node:nothing', 'http', 'worker_threads'],
    ...['data:text/javascript,export default {}', 'http://127.0.0.1/x.mjs', 'https://127.0.0.1/x.mjs'],
    ...['blob:x', 'FILE:///x.mjs', 'ws/../x', 'ws/./x', 'ws/..', 'ws/', 'ws//x', 'ws\\x', 'ws%2fx'],
    ...['.', '..', '.ws', '_ws', '#imports', '@', '@scope', '@scope/', '@/x', '@scope/../x', '', ' '],
    ...['ws ', 'ws?x', 'ws#x', 'ws\n', 'ws\0', '~/x.mjs/..', '*'],
  ])('%j', async (name) => {
    expect(isPath(name)).toBe(false);
    const error = await importModule(name, at('a')).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(NoSuchModule);
    // Refused for its name: nobody has looked for it.
    expect((error as Error).message).toBe('that is no name of a package');
    expect(await refusal(loadBackend(name, at('a')))).toContain(
      name.startsWith('@')
        ? `backend "${name}" could not be loaded: that is no name of a package`
        : `unknown backend ${JSON.stringify(name)}`,
    );
  });
});

describe('a path', () => {
  test.each([
    ['./x.mjs', '/base/x.mjs'],
    ['../x', '/x'],
    ['../../../x.mjs', '/x.mjs'],
    ['./a/../x.mjs', '/base/x.mjs'],
    ['/abs/x.mjs', '/abs/x.mjs'],
    ['file:///abs/x.mjs', '/abs/x.mjs'],
    ['file:///a%20b/%23%25%3F.mjs', '/a b/#%?.mjs'],
    ['file:///abs/x.mjs?query#fragment', '/abs/x.mjs'],
    ['file://localhost/x.mjs', '/x.mjs'],
  ])('%s from /base is %s', (name, whole) => {
    expect(isPath(name)).toBe(true);
    expect(toFile(name, '/base')).toBe(whole);
  });

  test.each([
    ['file://elsewhere/x.mjs', 'is no URL of a file here'],
    ['file:///a%2fb.mjs', 'is no URL of a file here'],
    ['file:x.mjs', 'has no absolute path in it'],
    ['file:./x.mjs', 'has no absolute path in it'],
  ])('%s is none', async (name, why) => {
    expect(await refusal(loadFraming(name, root))).toBe(
      `framing "${name}" could not be loaded: "${name}" ${why}`,
    );
  });

  test.each(['with space.mjs', 'hash#.mjs', 'percent%41.mjs', 'question?.mjs', 'plain.js', 'grün/€.mjs'])(
    'to a file called %j leads to it',
    async (name) => {
      const path = file(
        `odd/${name}`,
        name.endsWith('.js') ? framing(name, 'module.exports =') : framing(name),
      );
      for (const way of [`./${name}`, `../odd/${name}`, path, pathToFileURL(path).href])
        expect((await loadFraming(way, at('odd'))).name).toBe(name);
    },
  );

  test('to a CommonJS file leads to it', async () => {
    file('common.cjs', framing('common', 'module.exports ='));
    expect((await loadFraming('./common.cjs', root)).name).toBe('common');
  });

  test.each(['./folder', './folder/', './/'])('%s to a folder is refused', async (name) => {
    mkdirSync(at('folder'), { recursive: true });
    expect(await refusal(loadFraming(name, root))).toMatch(
      /could not be loaded: \/.* is a folder; name the file in it$/,
    );
  });

  test('to a file of no known kind is refused', async () => {
    file('notes.txt', 'hello');
    expect(await refusal(loadFraming('./notes.txt', root))).toContain('Unknown file extension ".txt"');
  });
});

describe('TypeScript', () => {
  const typed = `const name: string = 'typed';\n${framing('typed').replace("'typed'", 'name')}`;

  test.each(['typed.ts', 'typed.mts'])(
    'in %s is loaded where Node strips types, and else refused',
    async (name) => {
      file('ts/package.json', '{ "type": "module" }');
      file(`ts/${name}`, typed);
      const loading = loadFraming(`./${name}`, at('ts'));
      if (STRIPS_TYPES) expect((await loading).name).toBe('typed');
      else
        expect(await refusal(loading)).toBe(
          `framing "./${name}" could not be loaded: Node.js ${process.versions.node} does not strip types: use 22.18 or later, or compile the file to JavaScript`,
        );
    },
  );

  test('that is missing is missing, whatever Node can do', async () => {
    expect(await refusal(loadFraming('./gone.ts', root))).toContain('there is no file');
  });
});

describe('a module that breaks', () => {
  test.each([
    ['an Error', "throw new Error('no key');", 'could not be loaded: no key'],
    [
      'an Error of several lines',
      "throw new Error('one\\n  two\\r\\n\\nthree\\n');",
      'loaded: one two three',
    ],
    ['an Error without a message', 'throw new TypeError();', 'it threw an TypeError without a message'],
    ['a string', "throw 'boom';", 'could not be loaded: it threw "boom"'],
    ['nothing', 'throw undefined;', 'could not be loaded: it threw nothing'],
    ['null', 'throw null;', 'could not be loaded: it threw null'],
    ['a symbol', "throw Symbol('x');", 'could not be loaded: it threw Symbol(x)'],
    ['an object', 'throw { code: 7 };', 'could not be loaded: it threw {"code":7}'],
    ['a circle', 'const a = {}; a.a = a; throw a;', 'could not be loaded: it threw a object'],
    [
      'an Error whose message throws',
      "throw Object.defineProperty(new Error(), 'message', { get() { throw 1; } });",
      'something that cannot be shown was thrown',
    ],
    ['an Error whose message is no text', 'throw Object.assign(new Error(), { message: 7 });', 'loaded: 7'],
    [
      'a Proxy that answers nothing',
      'throw new Proxy({}, { getPrototypeOf() { throw 1; }, get() { throw 1; }, has() { throw 1; } });',
      'could not be loaded: it threw',
    ],
    ['a rejection', "await Promise.reject(new Error('later'));", 'could not be loaded: later'],
    ['a missing import', "import './gone.mjs';", 'Cannot find module'],
    ['a missing package', "import 'not-there';", "Cannot find package 'not-there'"],
    ['CommonJS in a module', "const fs = require('node:fs');", 'require is not defined'],
  ])('by throwing %s', async (what, source, why) => {
    const name = `./throws ${what}.mjs`;
    file(name, `${source}\n${framing('throws')}`);
    const said = await refusal(loadFraming(name, root));
    expect(said).toContain(`framing "${name}" could not be loaded: `);
    expect(said).toContain(why);
  });

  test.each([
    ['in itself', 'syntax.mjs', 'export default { a: = 1 };', "Unexpected token '='"],
    ['in what it imports', 'imports-syntax.mjs', "import './syntax.mjs';", "Unexpected token '='"],
    ['in CommonJS', 'syntax.cjs', 'module.exports = {', 'Unexpected'],
    [
      'in an import from CommonJS',
      'named.mjs',
      "import { nope } from './common.cjs';\nexport default nope;",
      "Named export 'nope' not found.",
    ],
  ])('by wrong syntax %s is named, with what shows where', async (_what, name, source, why) => {
    file('syntax.mjs', 'export default { a: = 1 };');
    file('common.cjs', 'module.exports = {};');
    const path = file(name, source);
    const said = await refusal(loadFraming(`./${name}`, root));
    expect(said).toContain(`framing "./${name}" could not be loaded: ${why}`);
    expect(said).toContain(`(node ${path} shows where)`);
    // And so it does.
    const shown = await promisify(execFile)(process.execPath, [path]).catch((error: unknown) =>
      String(error),
    );
    expect(shown).toMatch(/syntax\.c?mjs:1|syntax\.cjs:|named\.mjs:1/);
  });

  describe('by never finishing', () => {
    afterEach(() => vi.useRealTimers());

    test.each([
      ['waits for ever', 'await new Promise(() => {});'],
      ['imports one that does', "import './waits for ever.mjs';"],
    ])('when it %s, is given up after 10 s', async (what, source) => {
      file(`${what}.mjs`, `${source}\n${framing('never')}`);
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      const said = refusal(loadFraming(`./${what}.mjs`, root));
      expect(vi.getTimerCount()).toBe(1);
      await vi.advanceTimersByTimeAsync(9_999);
      expect(vi.getTimerCount()).toBe(1);
      await vi.advanceTimersByTimeAsync(1);
      expect(await said).toBe(
        `framing "./${what}.mjs" could not be loaded: it did not finish loading within 10 s`,
      );
    });

    test('and one that finishes leaves no timer behind', async () => {
      file('finishes.mjs', framing('finishes'));
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      await loadFraming('./finishes.mjs', root);
      await refusal(loadFraming('./gone.mjs', root));
      expect(vi.getTimerCount()).toBe(0);
    });
  });
});

describe('a default export', () => {
  const whole = "apiVersion: 1, kind: 'framing', name: 'x', configure() {}";
  const backend = "apiVersion: 1, kind: 'backend', name: 'x', create() {}";
  const thrower = (member: string) => `get ${member}() { throw new Error('not today') }`;

  test.each([
    ['is missing', 'export const plugin = {};', /: its default export must be an object/],
    ['is missing in CommonJS', 'exports.plugin = {};', /: apiVersion is nothing/],
    ['is a class', 'export default class { static apiVersion = 1 }', /must be an object/],
    ['is a promise', `export default Promise.resolve({ ${whole} });`, /: apiVersion is nothing/],
    ['has the version as text', "export default { apiVersion: '1' };", /: apiVersion is "1", but/],
    ['has a version beyond JSON', 'export default { apiVersion: 1n };', /: apiVersion is a bigint, but/],
    ['has no kind', 'export default { apiVersion: 1 };', /: its kind must be .*, not nothing$/],
    ['has another kind', "export default { apiVersion: 1, kind: 'x\\ny' };", /, not "x y"$/],
    [
      'throws at apiVersion',
      `export default { ${thrower('apiVersion')} };`,
      /: it cannot be read: not today$/,
    ],
    ['throws at kind', `export default { ${whole}, ${thrower('kind')} };`, /: it cannot be read: not today$/],
    ['throws at name', `export default { ${whole}, ${thrower('name')} };`, /: it cannot be read: not today$/],
    [
      'throws at configure',
      `export default { ${whole}, ${thrower('configure')} };`,
      /: it cannot be read: not today$/,
    ],
    [
      'throws nothing at all',
      'export default { get apiVersion() { throw undefined } };',
      /: it cannot be read: it threw nothing$/,
    ],
    [
      'is a Proxy that throws',
      "export default new Proxy({}, { get() { throw new Error('go away') } });",
      /: it cannot be read: go away$/,
    ],
    [
      'is a revoked Proxy',
      'const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); export default proxy;',
      /could not be loaded: .*revoked$/,
    ],
  ])('that %s is refused', async (what, source, message) => {
    const name = `./default ${what}.${source.startsWith('exports') ? 'cjs' : 'mjs'}`;
    file(name, source);
    const said = await refusal(loadFraming(name, root));
    expect(said).toMatch(message);
    expect(said).toContain(`framing "${name}"`);
  });

  test.each([
    ['a list as options', `export default { ${backend}, options: [] };`, /must have an object "options"/],
    [
      'text as an option',
      `export default { ${backend}, options: { url: 'where' } };`,
      /: its option "url" must be an object with a description$/,
    ],
    [
      'options that throw',
      `export default { ${backend}, ${thrower('options')} };`,
      /: it cannot be read: not today$/,
    ],
  ])('with %s is refused as a backend', async (what, source, message) => {
    file(`${what}.mjs`, source);
    expect(await refusal(loadBackend(`./${what}.mjs`, root))).toMatch(message);
  });

  test('that is a Proxy, or has getters, is as good as any', async () => {
    file('proxy.mjs', `export default new Proxy({ ${whole} }, {});`);
    file('getters.mjs', `export default { ${whole}, get name() { return 'y' } };`);
    file('frozen.mjs', `export default Object.freeze(Object.assign(Object.create(null), { ${whole} }));`);
    expect((await loadFraming('./proxy.mjs', root)).name).toBe('x');
    expect((await loadFraming('./getters.mjs', root)).name).toBe('y');
    expect((await loadFraming('./frozen.mjs', root)).name).toBe('x');
  });
});
