/** The backend `file` against what `websocksy-semantics.md` promises of it, on real folders. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/config.ts';
import type { Backend, BackendContext } from '../../../src/plugins/api.ts';
import plugin from '../../../src/plugins/backends/file.ts';
import { ClientRequest } from '../../../src/upgrade-request.ts';
import { SEED, SEEDED } from '../../support/cuts.ts';

interface Sent {
  readonly target?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly subprotocols?: readonly string[];
}

let targets: string;
const warnings: string[] = [];

beforeEach(() => {
  targets = mkdtempSync(join(tmpdir(), 'targets-'));
  warnings.length = 0;
});

afterEach(() => {
  rmSync(targets, { recursive: true });
});

/** Writes target files into the folder. */
function write(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    const file = join(targets, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}

const context: BackendContext = {
  checkFraming: () => Promise.reject(new Error('no framing is named in the configuration')),
  checkPeer: () => {
    throw new Error('no peer is named in the configuration');
  },
  warn: (message) => warnings.push(message),
};

async function backendOf(...expressions: string[]): Promise<Backend> {
  return plugin.create(
    {
      get: (option) => (option === 'path' ? targets : expressions.at(-1)),
      all: (option) => (option === 'expression' ? expressions : [targets]),
    },
    context,
  );
}

function ask(backend: Backend, sent: Sent = {}, signal = new AbortController().signal) {
  const { target = '/', headers = {}, subprotocols = [] } = sent;
  const request = { target, headers: new Map(Object.entries(headers)), subprotocols };
  return backend.query(new ClientRequest(request, '127.0.0.1', 1), signal);
}

/** What a backend with these expressions answers. */
async function answer(expressions: readonly string[], sent: Sent = {}) {
  return ask(await backendOf(...expressions), sent);
}

test('takes the options that the C daemon has', () => {
  expect(Object.keys(plugin.options)).toEqual(['path', 'expression']);
  expect(plugin.options.expression.repeatable).toBe(true);
});

describe('a client', () => {
  const alice = { headers: { cookie: 'user=alice' }, target: '/vnc' };
  const expressions = ['%cookie:user%-%endpoint%.conf', '%header:X-Team%', 'sub/%endpoint%', 'fallback'];

  beforeEach(() => {
    write({
      'alice-vnc.conf': 'tcp://alice:5900 binary binary\n',
      staff: 'tcp://staff:1 *\n',
      'sub/vnc': 'tcp://sub:1 *\n',
      fallback: 'tcp://fallback:1 *\n',
    });
  });

  test.each([
    ['the first expression that it has all variables for', alice, 'tcp://alice:5900'],
    ['the next, if a cookie is missing', { target: '/vnc' }, 'tcp://sub:1'],
    ['the next, if a header is missing', { target: '/vnc', headers: { cookie: 'user=bob' } }, 'tcp://sub:1'],
    [
      'the next, if the file is missing',
      { headers: { cookie: 'user=bob', 'x-team': 'none' } },
      'tcp://fallback:1',
    ],
    ['the header’s file', { ...alice, target: '/ssh', headers: { 'x-team': 'staff' } }, 'tcp://staff:1'],
    ['the next, if no line has its offer', { ...alice, subprotocols: ['text'] }, 'tcp://sub:1'],
    ['the first again, if a line has', { ...alice, subprotocols: ['text', 'binary'] }, 'tcp://alice:5900'],
    ['the next, if the name is a folder', { headers: { 'x-team': 'sub' } }, 'tcp://fallback:1'],
    ['the next, if the name is too long', { headers: { 'x-team': 'x'.repeat(8000) } }, 'tcp://fallback:1'],
  ])('gets %s', async (_what, sent: Sent, peer) => {
    expect(await answer(expressions, sent)).toMatchObject({ peer });
    expect(warnings).toEqual([]);
  });

  test('gets nothing if no expression has a file for it', async () => {
    expect(await answer(['%endpoint%', '%cookie:user%'], { target: '/none' })).toBeNull();
  });

  test('gets the route as the line has it, and where it is written', async () => {
    write({ x: '# one\ntcp://a:1 chat separator \\r\\n ; \n' });
    expect(await answer(['x'], { subprotocols: ['v1', 'chat'] })).toEqual({
      peer: 'tcp://a:1',
      subprotocol: 'chat',
      framing: 'separator',
      framingConfig: '\\r\\n ;',
      origin: `${targets}/x:2`,
    });
  });

  test('gets a bad line, too: routing refuses it and says where it is', async () => {
    write({ x: 'gopher://a * unheard-of 7\ntcp://good:1 *' });
    expect(await answer(['x', 'fallback'])).toMatchObject({ peer: 'gopher://a', origin: `${targets}/x:1` });
  });

  test('gets what the file says now', async () => {
    const backend = await backendOf('%endpoint%');
    expect(await ask(backend, { target: '/new' })).toBeNull();
    write({ new: 'tcp://one:1 *' });
    expect(await ask(backend, { target: '/new' })).toMatchObject({ peer: 'tcp://one:1' });
    write({ new: 'tcp://two:1 *' });
    expect(await ask(backend, { target: '/new' })).toMatchObject({ peer: 'tcp://two:1' });
    rmSync(join(targets, 'new'));
    expect(await ask(backend, { target: '/new' })).toBeNull();
  });

  test('is not given another file if its own cannot be used', async () => {
    symlinkSync('/etc/hosts', join(targets, 'bob'));
    await expect(answer(['%cookie:user%', 'fallback'], { headers: { cookie: 'user=bob' } })).rejects.toThrow(
      `${targets}/bob leads to`,
    );
  });

  test('that leaves stops the search', async () => {
    const reason = new Error('left');
    await expect(ask(await backendOf('fallback'), {}, AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});

describe('malformed lines', () => {
  test('are told of once, with file and line, until the file is changed', async () => {
    write({ x: 'tcp://a:1 *\n\ntcp://b:2\n' });
    const backend = await backendOf('x');
    for (let i = 0; i < 3; i += 1) expect(await ask(backend)).toMatchObject({ peer: 'tcp://a:1' });
    expect(warnings).toEqual([
      `${targets}/x:2: skipped, since a line is <peer> <subprotocol> [<framing>] [<framing-config>]; so are others: 3`,
    ]);
    write({ x: 'tcp://a:1 *\n\n' });
    for (let i = 0; i < 3; i += 1) await ask(backend);
    expect(warnings.slice(1)).toEqual([
      `${targets}/x:2: skipped, since a line is <peer> <subprotocol> [<framing>] [<framing-config>]`,
    ]);
  });

  test('are told of for each file, also if none of its lines is taken', async () => {
    write({ x: 'x', y: 'y\n' });
    expect(await answer(['x', 'y'])).toBeNull();
    expect(warnings.map((line) => line.split(': ', 1)[0])).toEqual([`${targets}/x:1`, `${targets}/y:1`]);
  });

  test('are told of in one line, however many there are', async () => {
    write({ x: 'x\n'.repeat(5), y: '\n'.repeat(1000), z: ' \n'.repeat(6) });
    await answer(['x', 'y', 'z']);
    expect(warnings.map((line) => line.split('; ')[1])).toEqual([
      'so are others: 2, 3, 4, 5',
      'so are others: 2, 3, 4, 5, 995 more',
      'so are others: 2, 3, 4, 5, 1 more',
    ]);
  });

  test('of a thousand files are remembered, and the oldest is forgotten for one more', async () => {
    const names = Array.from({ length: 1001 }, (_, i) => `f${i}`);
    write(Object.fromEntries(names.map((name) => [name, 'x'])));
    const backend = await backendOf('%endpoint%');
    const visit = async (name: string) => {
      const before = warnings.length;
      await ask(backend, { target: `/${name}` });
      return warnings.length - before;
    };
    for (const name of names.slice(0, 1000)) expect(await visit(name)).toBe(1);
    for (const name of names.slice(0, 1000)) expect(await visit(name)).toBe(0);
    // A file that is told of again becomes the youngest.
    utimesSync(join(targets, 'f1'), 1, 1);
    expect(await visit('f1')).toBe(1);
    expect(await visit('f0')).toBe(0);
    expect(await visit('f1000')).toBe(1);
    expect(await visit('f1')).toBe(0);
    expect(await visit('f2')).toBe(0);
    expect(await visit('f0')).toBe(1);
  });

  test('are none in a file of comments', async () => {
    write({ x: '# a\n; b\n  # c\r\n' });
    expect(await answer(['x'])).toBeNull();
    expect(warnings).toEqual([]);
  });
});

describe('the options', () => {
  async function refusal(options: readonly (readonly [string, string])[]): Promise<string> {
    const settings = [
      {
        section: 'core' as const,
        name: 'backend',
        value: 'file',
        layer: 'arguments' as const,
        origin: '-b',
        base: '.',
      },
      ...options.map(([name, value]) => ({
        section: 'backend' as const,
        name,
        value,
        layer: 'arguments' as const,
        origin: `-c ${name}`,
        base: '/nowhere',
      })),
    ];
    const error = await loadConfig(settings).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ name: 'ConfigError' });
    return (error as Error).message;
  }

  test.each([
    [
      'no path',
      [['expression', 'x']],
      /^-b: backend "file": its option "path" is not set: the folder of the target files must be named$/,
    ],
    ['an empty path', [['path', '']], /^-c path: the folder of the target files must be named$/],
    ['a path to nothing', [['path', '/no/such/folder/']], /^-c path: there is no folder \/no\/such\/folder$/],
    ['a path to a file', [['path', '/etc/passwd']], /^-c path: \/etc\/passwd is not a folder$/],
    [
      'no expression',
      [['path', '/']],
      /^-b: backend "file": its option "expression" is not set: at least one must say how .*%endpoint%/,
    ],
    [
      'a bad expression',
      [
        ['path', '/'],
        ['expression', '%endpoint'],
      ],
      /^-c expression: "%endpoint": /,
    ],
    [
      'a bad expression among good ones',
      [
        ['path', '/'],
        ['expression', 'a'],
        ['expression', '../x'],
        ['expression', 'b'],
      ],
      /^-c expression: "\.\.\/x": /,
    ],
    ['another option', [['paht', '/']], /unknown option of the backend "file": "paht"; did you mean path\?/],
  ] as const)('with %s are refused, and the option is named', async (_what, options, message) => {
    expect(await refusal(options)).toMatch(message);
  });

  test('take a path from the working directory, wherever it was written, and the last one of several', async () => {
    write({ x: 'tcp://a:1 *' });
    const values = [
      ['path', '/no/such/folder'],
      ['path', `${relative(process.cwd(), targets)}/`],
      ['expression', 'none'],
      ['expression', 'x'],
    ] as const;
    const { backend } = await loadConfig([
      { section: 'core', name: 'backend', value: 'file', layer: 'arguments', origin: '-b', base: '.' },
      ...values.map(([name, value]) => ({
        section: 'backend' as const,
        name,
        value,
        layer: 'arguments' as const,
        origin: name,
        base: '/no/where',
      })),
    ]);
    expect(await ask(backend)).toMatchObject({ peer: 'tcp://a:1', origin: `${targets}/x:1` });
  });
});

test(`nothing outside of the folder is ever a route, whatever a client sends (TEST_SEED=${SEED})`, async () => {
  const inside = [
    'alice',
    'bob',
    'sub/alice',
    'sub/deep/alice',
    '.hidden',
    '...',
    '_etc_passwd',
    '..x',
    '.._x',
  ];
  const base = targets;
  targets = join(base, 'targets');
  for (const name of inside) write({ [name]: `tcp://inside:1 * auto ${name}` });
  targets = base;
  write({ alice: 'tcp://outside:1 *', passwd: 'tcp://outside:1 *', 'targets-x/alice': 'tcp://outside:1 *' });
  targets = join(base, 'targets');
  symlinkSync('..', join(targets, 'up'));
  symlinkSync('../alice', join(targets, 'leak'));

  const piece = fc.constantFrom(
    ...[
      '.',
      '..',
      '../',
      '/',
      '\\',
      '\0',
      '%2e%2e',
      '%2f',
      ';',
      ' ',
      'alice',
      'passwd',
      'targets-x',
      'up',
      'leak',
    ],
    ...['sub', '..x', '\xc0\xae', '\xc0\xaf', '\xef\xbc\x8f', 'x'.repeat(300), '%cookie:a%'],
  );
  const value = fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join(''));
  const backends = await Promise.all(
    [
      ['%endpoint%'],
      ['%cookie:a%%cookie:b%/alice'],
      ['.%cookie:a%/%cookie:b%'],
      ['%cookie:a%/%cookie:b%/%header:x%'],
      ['sub/%header:x%', '%header:x%'],
    ].map((expressions) => backendOf(...expressions)),
  );
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(value, value, value, value, async (target, a, b, x) => {
      for (const backend of backends) {
        const sent = { target: `/${target}`, headers: { cookie: `a=${a}; b=${b}`, x } };
        const route = await ask(backend, sent).catch((error: Error) => {
          // The links are there, and lead out: they are refused by name.
          expect(error.message).toMatch(/which is outside of/);
          return null;
        });
        if (route === null) continue;
        expect(route).toMatchObject({ peer: 'tcp://inside:1' });
        seen.add((route as { framingConfig: string }).framingConfig);
      }
    }),
    { ...SEEDED, numRuns: 1500 },
  );
  expect(seen.size).toBeGreaterThan(2);
  targets = base;
});
