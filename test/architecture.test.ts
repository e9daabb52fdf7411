/**
 * Who may import whom. The table below is the layering of the project; the build fails when a file leaves it.
 *
 * The checker is a function over {file → source}, so that the tests can also show that it notices each kind of breach.
 * Imports are found by a regular expression, comments cut off; type-only ones count like others unless a row says so.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = new URL('../', import.meta.url);

interface Rule {
  /** A file, or a folder with its slash. A file belongs to the first row that it lies under. */
  readonly from: string;
  /** What of ours it may import, files and folders. The folder itself need not be named. */
  readonly to: readonly string[];
  /** What it may import with `import type` only. */
  readonly types?: readonly string[];
  /** Which of Node's modules it may import. Left out: all. */
  readonly node?: readonly string[];
}

const RULES: readonly Rule[] = [
  // The leaves.
  { from: 'src/errors.ts', to: [] },
  { from: 'src/cancellation.ts', to: [] },
  { from: 'src/limits.ts', to: [] },
  { from: 'src/growing-buffer.ts', to: ['src/errors.ts'], types: ['src/memory-budget.ts'] },
  { from: 'src/client-address.ts', to: [] },
  { from: 'src/descriptors.ts', to: [] },
  { from: 'src/life-clock.ts', to: [] },
  { from: 'src/loop-watch.ts', to: ['src/limits.ts'] },
  { from: 'src/nearest.ts', to: [] },
  { from: 'src/printable.ts', to: [] },
  { from: 'src/observability/', to: ['src/printable.ts'], types: ['src/errors.ts'] },
  // Memory: what the engine and the sockets share, and know nothing of each other by.
  { from: 'src/slab-pool.ts', to: [], node: [] },
  { from: 'src/memory-budget.ts', to: [], node: ['node:os'] },
  // The engine: no socket, no clock.
  {
    from: 'src/rfc6455/',
    to: ['src/errors.ts', 'src/growing-buffer.ts', 'src/slab-pool.ts'],
    types: ['src/memory-budget.ts'],
    node: ['node:crypto', 'node:zlib', 'node:buffer'],
  },
  // The ways to a peer.
  {
    from: 'src/transports/',
    to: ['src/errors.ts', 'src/slab-pool.ts'],
    types: ['src/cancellation.ts', 'src/memory-budget.ts'],
  },
  // Built-in plugins live on what a stranger's plugin has.
  { from: 'src/plugins/backends/', to: ['src/plugins/api.ts'] },
  { from: 'src/plugins/framings/', to: ['src/plugins/api.ts'] },
  { from: 'src/plugins/api.ts', to: [] },
  {
    from: 'src/plugins/modules.ts',
    to: ['src/plugins/api.ts', 'src/plugins/backends/', 'src/plugins/framings/'],
  },
  {
    from: 'src/plugins/loader.ts',
    to: ['src/errors.ts', 'src/nearest.ts', 'src/plugins/api.ts', 'src/plugins/modules.ts'],
  },
  {
    from: 'src/plugins/framings.ts',
    to: [
      'src/errors.ts',
      'src/nearest.ts',
      'src/plugins/api.ts',
      'src/plugins/loader.ts',
      'src/plugins/modules.ts',
    ],
  },
  {
    from: 'src/config/',
    to: [
      'src/errors.ts',
      'src/limits.ts',
      'src/nearest.ts',
      'src/observability/',
      'src/plugins/',
      'src/printable.ts',
      'src/transports/address.ts',
      'src/transports/native.ts',
    ],
    types: ['src/rfc6455/permessage-deflate.ts'],
  },
  // What joins them.
  {
    from: 'src/fast-path.ts',
    to: ['src/errors.ts', 'src/rfc6455/kernel.ts', 'src/slab-pool.ts', 'src/transports/slab-socket.ts'],
    types: ['src/rfc6455/connection-handler.ts'],
  },
  {
    from: 'src/segmenter.ts',
    to: ['src/errors.ts', 'src/growing-buffer.ts', 'src/rfc6455/utf8-slices.ts'],
    types: ['src/memory-budget.ts', 'src/plugins/api.ts'],
  },
  { from: 'src/client-clock.ts', to: [], types: ['src/rfc6455/connection.ts'] },
  { from: 'src/bridge-sides.ts', to: [], types: ['src/transports/transport.ts'] },
  {
    from: 'src/upgrade-request.ts',
    to: ['src/rfc6455/http-syntax.ts'],
    types: ['src/plugins/api.ts', 'src/rfc6455/handshake.ts'],
  },
  {
    from: 'src/routing.ts',
    to: [
      'src/errors.ts',
      'src/plugins/',
      'src/rfc6455/http-syntax.ts',
      'src/transports/address.ts',
      'src/transports/native.ts',
    ],
    types: ['src/cancellation.ts'],
  },
  {
    from: 'src/connection-log.ts',
    to: [
      'src/errors.ts',
      'src/observability/logger.ts',
      'src/observability/redact.ts',
      'src/transports/address.ts',
    ],
    types: ['src/observability/', 'src/routing.ts', 'src/transports/transport.ts'],
  },
  {
    from: 'src/bridge.ts',
    to: [
      'src/bridge-sides.ts',
      'src/cancellation.ts',
      'src/client-clock.ts',
      'src/connection-log.ts',
      'src/errors.ts',
      'src/life-clock.ts',
      'src/limits.ts',
      'src/memory-budget.ts',
      'src/observability/',
      'src/rfc6455/',
      'src/routing.ts',
      'src/segmenter.ts',
      'src/transports/',
      'src/upgrade-request.ts',
    ],
    types: ['src/plugins/'],
  },
  { from: 'src/unix-listener.ts', to: ['src/transports/address.ts'] },
  {
    from: 'src/door.ts',
    to: [
      'src/admission.ts',
      'src/descriptors.ts',
      'src/errors.ts',
      'src/observability/',
      'src/turned-away.ts',
    ],
    types: ['src/limits.ts', 'src/memory-budget.ts'],
  },
  {
    from: 'src/admission.ts',
    to: ['src/client-address.ts', 'src/descriptors.ts'],
    types: ['src/errors.ts', 'src/limits.ts', 'src/memory-budget.ts'],
  },
  {
    from: 'src/turned-away.ts',
    to: ['src/rfc6455/handshake.ts', 'src/transports/stream.ts'],
    types: ['src/errors.ts', 'src/transports/transport.ts'],
  },
  {
    from: 'src/daemon.ts',
    to: [
      'src/bridge.ts',
      'src/door.ts',
      'src/errors.ts',
      'src/fast-path.ts',
      'src/limits.ts',
      'src/loop-watch.ts',
      'src/memory-budget.ts',
      'src/observability/',
      'src/plugins/',
      'src/rfc6455/permessage-deflate.ts',
      'src/transports/',
      'src/unix-listener.ts',
    ],
    types: ['src/rfc6455/connection-handler.ts'],
  },
  {
    from: 'src/index.ts',
    to: ['src/config/', 'src/daemon.ts', 'src/errors.ts', 'src/limits.ts', 'src/observability/'],
  },
  {
    from: 'bin/',
    to: [
      'src/config/',
      'src/daemon.ts',
      'src/errors.ts',
      'src/observability/',
      'src/printable.ts',
      'src/transports/address.ts',
    ],
  },
];

/** The engine is told the time; it does not wait for it. */
const TIMERLESS = 'src/rfc6455/';

/** The one file that imports what a person names. */
const IMPORTS_BY_NAME = 'src/plugins/modules.ts';

// ------------------------------------------------------------------------------------------------- the checker

type Sources = Readonly<Record<string, string>>;

interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
}

/** Strings are matched so that `//` in one is not taken for a comment. */
const STRING_OR_COMMENT =
  /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;

function withoutComments(source: string): string {
  return source.replace(STRING_OR_COMMENT, (found) => (found.startsWith('/') ? ' ' : found));
}

const STATIC = /(?:^|;)[ \t]*(?:import|export)\b(\s+type\b)?(?:[^'";]*?\bfrom)?\s*(['"])([^'"\n]+)\2/gm;
const DYNAMIC = /\bimport\s*\(\s*(['"`])([^'"`$\n]+)\1/g;
const COMPUTED = /\bimport\s*\(\s*(?!\s|['"][^'"\n]*['"]|`[^`$]*`)|\brequire\s*\(|\bcreateRequire\b/;

function importsOf(source: string): Import[] {
  const code = withoutComments(source);
  return [
    ...[...code.matchAll(STATIC)].map(([, type, , specifier = '']) => ({
      specifier,
      typeOnly: type !== undefined,
    })),
    ...[...code.matchAll(DYNAMIC)].map(([, , specifier = '']) => ({ specifier, typeOnly: false })),
  ];
}

function lies(file: string, places: readonly string[]): boolean {
  return places.some((place) => (place.endsWith('/') ? file.startsWith(place) : file === place));
}

/** Each breach as a sentence. */
function breaches(sources: Sources): string[] {
  const found: string[] = [];
  for (const [file, source] of Object.entries(sources)) {
    const rule = RULES.find(({ from }) => lies(file, [from]));
    if (rule === undefined) {
      found.push(`${file} has no row in the table`);
      continue;
    }
    for (const { specifier, typeOnly } of importsOf(source)) {
      const target = specifier.startsWith('.') ? posix.join(posix.dirname(file), specifier) : undefined;
      if (target === undefined) {
        if (!specifier.startsWith('node:')) found.push(`${file} imports the package ${specifier}`);
        else if (rule.node !== undefined && !rule.node.includes(specifier))
          found.push(`${file} imports ${specifier}`);
        continue;
      }
      const folder = rule.from.endsWith('/') ? [rule.from] : [];
      if (lies(target, [...folder, ...rule.to])) continue;
      if (!lies(target, rule.types ?? [])) found.push(`${file} imports ${target}`);
      else if (!typeOnly) found.push(`${file} imports ${target} for more than its types`);
    }
    const code = withoutComments(source);
    if (file !== IMPORTS_BY_NAME && COMPUTED.test(code))
      found.push(`${file} imports what it computes, or requires`);
    const timer = /\b(?:setTimeout|setInterval|setImmediate)\b/.exec(code);
    if (file.startsWith(TIMERLESS) && timer !== null) found.push(`${file} uses ${timer[0]}`);
  }
  const cycle = findCycle(sources);
  if (cycle !== undefined) found.push(`a cycle: ${cycle.join(' → ')}`);
  return found;
}

/** The first cycle, with the file that closes it at both ends. */
function findCycle(sources: Sources): string[] | undefined {
  const finished = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (finished.has(file) || sources[file] === undefined) return undefined;
    path.push(file);
    for (const { specifier } of importsOf(sources[file])) {
      if (!specifier.startsWith('.')) continue;
      const cycle = visit(posix.join(posix.dirname(file), specifier));
      if (cycle !== undefined) return cycle;
    }
    path.pop();
    finished.add(file);
    return undefined;
  };
  for (const file of Object.keys(sources)) {
    const cycle = visit(file);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

/** The fields of a manifest by which a package would come along when this one is installed. */
function installed(manifest: Readonly<Record<string, unknown>>): string[] {
  const fields = [
    'dependencies',
    'optionalDependencies',
    'peerDependencies',
    'bundleDependencies',
    'bundledDependencies',
  ];
  return fields.filter((field) => manifest[field] !== undefined);
}

function readSources(folder: string): [string, string][] {
  return readdirSync(new URL(folder, ROOT), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => posix.join(folder, name.replaceAll('\\', '/')))
    .sort()
    .map((file) => [file, readFileSync(new URL(file, ROOT), 'utf8')]);
}

// --------------------------------------------------------------------------------------------------- the tests

describe('the sources', () => {
  const sources: Sources = Object.fromEntries([...readSources('src/'), ...readSources('bin/')]);

  test('import only what the table allows, in no circle, and nothing that has to be installed', () => {
    expect(breaches(sources)).toEqual([]);
  });

  test('are found, and so are their imports', () => {
    expect(Object.keys(sources)).toEqual(expect.arrayContaining(['bin/websocksy.ts', 'src/index.ts']));
    // Every line that looks like an import is one that the expressions have seen.
    for (const [file, source] of Object.entries(sources)) {
      const seen = importsOf(source).length;
      const lines = withoutComments(source).match(/\bfrom '|^import '|\bimport\(\s*['"`]/gm) ?? [];
      expect([file, seen]).toEqual([file, lines.length]);
    }
  });

  test('fill every row of the table', () => {
    const files = Object.keys(sources);
    const empty = RULES.filter(({ from }) => !files.some((file) => lies(file, [from])));
    expect(empty).toEqual([]);
    const targets = RULES.flatMap(({ to, types = [] }) => [...to, ...types]);
    expect(targets.filter((target) => !files.some((file) => lies(file, [target])))).toEqual([]);
  });
});

test('the package brings no other package along', () => {
  const manifest = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8')) as Record<string, unknown>;
  expect(installed(manifest)).toEqual([]);
});

describe('the checker reports', () => {
  test.each<[string, string, string, string]>([
    ['a socket in the engine', 'src/rfc6455/x.ts', "import 'node:net';", 'imports node:net'],
    ['a type of one too', 'src/rfc6455/x.ts', "import type { Socket } from 'node:net';", 'imports node:net'],
    [
      'a transport in the engine',
      'src/rfc6455/x.ts',
      "import { dial } from '../transports/dial.ts';",
      'imports src/transports/dial.ts',
    ],
    [
      'the fast path in the engine, which is handed it',
      'src/rfc6455/x.ts',
      "import type { FastPath } from '../fast-path.ts';",
      'imports src/fast-path.ts',
    ],
    [
      'the kernel in a transport',
      'src/transports/x.ts',
      "import { FLOOR } from '../rfc6455/kernel.ts';",
      'imports src/rfc6455/kernel.ts',
    ],
    [
      'the limits in the engine',
      'src/rfc6455/x.ts',
      "import { TICK } from '../limits.ts';",
      'imports src/limits.ts',
    ],
    ['a timer in the engine', 'src/rfc6455/x.ts', 'setTimeout(f, 1);', 'uses setTimeout'],
    ['an interval in the engine', 'src/rfc6455/x.ts', 'const t = setInterval(f, 1);', 'uses setInterval'],
    ['an immediate in the engine', 'src/rfc6455/x.ts', 'globalThis.setImmediate(f);', 'uses setImmediate'],
    [
      'the engine in a transport',
      'src/transports/x.ts',
      "export { TEXT } from '../rfc6455/opcodes.ts';",
      'imports src/rfc6455/opcodes.ts',
    ],
    [
      'a plugin in a transport',
      'src/transports/x.ts',
      "import type { Framing } from '../plugins/api.ts';",
      'imports src/plugins/api.ts',
    ],
    [
      'the bridge in a transport',
      'src/transports/x.ts',
      "import { Bridge } from '../bridge.ts';",
      'imports src/bridge.ts',
    ],
    [
      'the daemon in a transport',
      'src/transports/x.ts',
      "const d = await import('../daemon.ts');",
      'imports src/daemon.ts',
    ],
    ['the engine in bin', 'bin/x.ts', "import '../src/rfc6455/mask.ts';", 'imports src/rfc6455/mask.ts'],
    ['the bridge in bin', 'bin/x.ts', "import '../src/bridge.ts';", 'imports src/bridge.ts'],
    ['the bridge in the index', 'src/index.ts', "export * from './bridge.ts';", 'imports src/bridge.ts'],
    [
      'the configuration in the daemon',
      'src/daemon.ts',
      "import { a } from './config/config.ts';",
      'imports src/config/config.ts',
    ],
    [
      'the engine in the daemon',
      'src/daemon.ts',
      "import { a } from './rfc6455/mask.ts';",
      'imports src/rfc6455/mask.ts',
    ],
    [
      'the daemon in the bridge',
      'src/bridge.ts',
      "import type { Daemon } from './daemon.ts';",
      'imports src/daemon.ts',
    ],
    [
      'the loader in the bridge, if for more than types',
      'src/bridge.ts',
      "import { Framings } from './plugins/framings.ts';",
      'imports src/plugins/framings.ts for more than its types',
    ],
    [
      'dialling in the routing',
      'src/routing.ts',
      "import { dial } from './transports/dial.ts';",
      'imports src/transports/dial.ts',
    ],
    [
      'frames in the routing',
      'src/routing.ts',
      "import { a } from './rfc6455/frame-decoder.ts';",
      'imports src/rfc6455/frame-decoder.ts',
    ],
    [
      'the daemon in the configuration',
      'src/config/x.ts',
      "import { Daemon } from '../daemon.ts';",
      'imports src/daemon.ts',
    ],
    [
      'dialling in the configuration',
      'src/config/x.ts',
      "import { a } from '../transports/dial.ts';",
      'imports src/transports/dial.ts',
    ],
    [
      'more than the contract in a built-in backend',
      'src/plugins/backends/x.ts',
      "import { messageOf } from '../../errors.ts';",
      'imports src/errors.ts',
    ],
    [
      'a backend in a framing',
      'src/plugins/framings/x.ts',
      "import d from '../backends/default.ts';",
      'imports src/plugins/backends/default.ts',
    ],
    [
      'the loader in a framing',
      'src/plugins/framings/x.ts',
      "import { a } from '../loader.ts';",
      'imports src/plugins/loader.ts',
    ],
    [
      'anything in a leaf',
      'src/errors.ts',
      "import { nearest } from './nearest.ts';",
      'imports src/nearest.ts',
    ],
    [
      'anything in the logger',
      'src/observability/x.ts',
      "import { a } from '../errors.ts';",
      'imports src/errors.ts for more than its types',
    ],
    ['a package', 'src/routing.ts', "import WebSocket from 'ws';", 'imports the package ws'],
    [
      "one of Node's modules by its bare name",
      'src/routing.ts',
      'import fs from "fs";',
      'imports the package fs',
    ],
    ['a package, late', 'bin/x.ts', 'await import(`ws`);', 'imports the package ws'],
    [
      'a package over several lines',
      'bin/x.ts',
      "import {\n  a,\n  type B,\n} from 'ws';",
      'imports the package ws',
    ],
    ['a computed import', 'src/daemon.ts', 'await import(name);', 'imports what it computes, or requires'],
    [
      'an import from a template',
      'src/daemon.ts',
      'await import(`./$' + '{name}.ts`);',
      'imports what it computes, or requires',
    ],
    ['require', 'src/daemon.ts', "const fs = require('node:fs');", 'imports what it computes, or requires'],
    [
      'a test in a source',
      'src/daemon.ts',
      "import '../test/support/daemon.ts';",
      'imports test/support/daemon.ts',
    ],
    ['a new folder', 'src/misc/x.ts', '', 'has no row in the table'],
    ['a new file beside the index', 'src/util.ts', '', 'has no row in the table'],
  ])('%s', (_what, file, source, breach) => {
    expect(breaches({ [file]: source })).toEqual([`${file} ${breach}`]);
  });

  test('a circle, type-only imports included, file by file', () => {
    const circle = {
      'src/rfc6455/a.ts': "import { b } from './b.ts';",
      'src/rfc6455/b.ts': "import type { C } from './c.ts';",
      'src/rfc6455/c.ts': "export { a } from './a.ts';",
    };
    expect(breaches({ 'src/rfc6455/0.ts': "import './a.ts';", ...circle })).toEqual([
      'a cycle: src/rfc6455/a.ts → src/rfc6455/b.ts → src/rfc6455/c.ts → src/rfc6455/a.ts',
    ]);
  });

  test('a file that imports itself', () => {
    expect(breaches({ 'src/rfc6455/a.ts': "import './a.ts';" })).toEqual([
      'a cycle: src/rfc6455/a.ts → src/rfc6455/a.ts',
    ]);
  });

  test.each(['dependencies', 'optionalDependencies', 'peerDependencies', 'bundledDependencies'])(
    'a package in %s',
    (field) => {
      expect(installed({ name: 'websocksy', devDependencies: {}, [field]: { ws: '^8' } })).toEqual([field]);
    },
  );
});

describe('the checker lets pass', () => {
  test.each([
    ['an import in a comment', "// import 'ws';\n/* import 'ws';\n   setTimeout(f) */ export const a = 1;"],
    ['a timer in a comment', '/** never setTimeout */'],
    ['a sibling', "import { b } from './b.ts';"],
    ['a folder that is a diamond', "import './b.ts'; import './c.ts';"],
    ['what the engine needs of Node', "import { createHash } from 'node:crypto';\nimport 'node:buffer';"],
    ['a string with two slashes', "const a = 'echo://'; const b = 'x';"],
  ])('%s', (_what, source) => {
    expect(breaches({ 'src/rfc6455/a.ts': source, 'src/rfc6455/b.ts': "import './c.ts';" })).toEqual([]);
  });
});
