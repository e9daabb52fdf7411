/** A backend, its options told apart, made, and held to its contract; a stranger's as well as a built-in one. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createBackend, knownSettings } from '../../src/config/backend.ts';
import { ConfigError, type Layer, type Setting } from '../../src/config/settings.ts';
import { Notices } from '../../src/observability/notices.ts';
import type { BackendContext, BackendPlugin } from '../../src/plugins/api.ts';
import { Framings } from '../../src/plugins/framings.ts';
import { refusal as refusalOf } from '../support/refusal.ts';

const FIXTURES = new URL('../fixtures/plugins/', import.meta.url).pathname;

const set = (name: string, value: string, layer: Layer = 'arguments'): Setting => ({
  section: 'backend',
  name,
  value,
  layer,
  origin: `${layer}: ${name}`,
  base: FIXTURES,
});

function plugin(create: BackendPlugin['create'], options: BackendPlugin['options'] = {}): BackendPlugin {
  return { apiVersion: 1, kind: 'backend', name: 'mine', options, create };
}

const CHOICE = { name: './mine.mjs', origin: '-b', discarded: [] };

async function create(made: BackendPlugin, settings: readonly Setting[] = [], notices = new Notices()) {
  const framings = new Framings();
  await framings.loadBuiltIn();
  return createBackend(made, CHOICE, settings, framings, notices);
}

/** Calls back with what a backend is given when it is made. */
function withContext(use: (context: BackendContext) => unknown, options?: BackendPlugin['options']) {
  return plugin(async (_settings, context) => {
    await use(context);
    return { query: async () => null };
  }, options);
}

const refusal = (attempt: Promise<unknown>) => refusalOf(attempt, ConfigError);

describe('the options of a backend', () => {
  const options = {
    'api-key': { description: '' },
    list: { description: '', repeatable: true },
    port: { description: '' },
  };
  const mine = plugin(() => ({ query: async () => null }), options);
  const known = (...settings: Setting[]) =>
    knownSettings(mine, settings).map(({ name, value }) => `${name}=${value}`);

  test('are spelled with capitals and underscores in the environment, and only there', () => {
    expect(known(set('API_KEY', 'x', 'environment'))).toEqual(['api-key=x']);
    expect(known(set('api-key', 'x', 'environment'), set('OTHER', 'x', 'environment'))).toEqual([]);
    expect(() => known(set('API_KEY', 'x'))).toThrow(/unknown option of the backend "mine": "API_KEY"/);
  });

  test('that may be repeated are lines in the environment, others stay whole', () => {
    expect(known(set('LIST', 'a\n\n b \nc', 'environment'))).toEqual(['list=a', 'list=b', 'list=c']);
    expect(known(set('API_KEY', 'a\nb', 'environment'))).toEqual(['api-key=a\nb']);
    expect(known(set('list', 'a\nb'))).toEqual(['list=a\nb']);
  });

  test('count from the highest layer that has them, each for itself', () => {
    const layers = [set('list', 'a', 'file'), set('port', '1', 'file'), set('LIST', 'b\nc', 'environment')];
    expect(known(...layers)).toEqual(['port=1', 'list=b', 'list=c']);
    expect(known(...layers, set('list', 'd'), set('port', '2'))).toEqual(['list=d', 'port=2']);
  });

  test.each<[string, Layer, string]>([
    ['api_key', 'file', 'did you mean api-key?'],
    ['listen', 'file', "it is one of the daemon's: put it below [core]"],
    ['listen', 'arguments', "it is one of the daemon's: use --listen"],
    ['ping', 'arguments', "it is one of the daemon's: use --keepalive"],
    ['something', 'file', 'there are: api-key, list, port'],
  ])('are the only ones: %s of the %s gets a hint', (name, layer, hint) => {
    expect(() => known(set(name, 'x', layer))).toThrow(
      `${layer}: ${name}: unknown option of the backend "mine": "${name}"; ${hint}`,
    );
  });

  test('may be none', () => {
    const bare = plugin(() => ({ query: async () => null }));
    expect(() => knownSettings(bare, [set('x', '1')])).toThrow(/"mine": "x"; it has none$/);
  });
});

describe('making a backend', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test('is given up after 10 s', async () => {
    const framings = new Framings();
    vi.useFakeTimers();
    const made = createBackend(
      plugin(() => new Promise(() => {})),
      CHOICE,
      [],
      framings,
      new Notices(),
    );
    const refused = refusal(made);
    await vi.advanceTimersByTimeAsync(9_999);
    let over = false;
    void refused.then(() => {
      over = true;
    });
    await vi.advanceTimersByTimeAsync(0);
    expect(over).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(await refused).toBe('-b: backend "./mine.mjs": it was not ready within 10 s');
    expect(vi.getTimerCount()).toBe(0);
  });

  test.each<[string, () => never, string]>([
    [
      'an Error',
      () => {
        throw new Error('no\nway');
      },
      '-b: backend "./mine.mjs": no\\u000away',
    ],
    [
      'a string',
      () => {
        throw 'no way';
      },
      '-b: backend "./mine.mjs": no way',
    ],
    [
      'nothing',
      () => {
        throw undefined;
      },
      '-b: backend "./mine.mjs": undefined',
    ],
    [
      'an option that there is not',
      () => {
        throw Object.assign(new Error('x'), { option: 'y' });
      },
      '-b: backend "./mine.mjs": its option "y" is not set: x',
    ],
  ])('names the backend if it throws %s', async (_what, thrower, message) => {
    expect(await refusal(create(plugin(thrower)))).toBe(message);
  });

  test.each([undefined, null, {}, { query: 1 }, 'x'])('refuses %j for one', async (made) => {
    expect(await refusal(create(plugin(() => made as never)))).toBe(
      '-b: backend "./mine.mjs": it made something without a function "query"',
    );
  });

  test('cuts what a plugin says if it is too long to be read', async () => {
    const message = await refusal(
      create(
        plugin(() => {
          throw new Error(`!${'\u{1f4a9}'.repeat(100_000)}`);
        }),
      ),
    );
    expect(message.length).toBeLessThan(2_100);
    expect(message).toMatch(/^-b: backend ".\/mine\.mjs": !\u{1f4a9}+…$/u);
  });
});

describe('checking a framing', () => {
  const options = {
    shape: { description: '' },
    'shape-config': { description: '' },
    framing: { description: '' },
  };
  const shaped = (name: string, config?: string) =>
    withContext((context) => context.checkFraming(name, config, 'shape'), options);

  test('blames the configuration where one was set, else the name', async () => {
    const both = [set('shape', 'auto'), set('shape-config', 'x')];
    expect(await refusal(create(shaped('auto', 'x'), both))).toMatch(
      /^arguments: shape-config: framing "auto": /,
    );
    expect(await refusal(create(shaped('auto', 'x'), [set('shape', 'auto')]))).toMatch(
      /^-b: backend ".\/mine\.mjs": framing "auto": /,
    );
  });

  test('tells which file an option means', async () => {
    const { files } = await create(shaped('./lines-framing.mjs'), [set('shape', './lines-framing.mjs')]);
    expect([...files]).toEqual([['shape', `${FIXTURES}lines-framing.mjs`]]);
    expect((await create(shaped('binary'), [set('shape', 'binary')])).files.size).toBe(0);
    const unnamed = withContext((context) => context.checkFraming(`${FIXTURES}lines-framing.mjs`, undefined));
    expect((await create(unnamed)).files.size).toBe(0);
  });
});

test('a peer without a scheme is warned of once, however often it is checked', async () => {
  const notices = new Notices();
  const checks = withContext((context) => {
    for (const peer of ['a:1', 'a:1', 'tcp://a:1', 'b:2']) context.checkPeer(peer);
  });
  await create(checks, [], notices);
  expect(notices.kept).toEqual([
    'backend mine: the peer "a:1" names no scheme and is taken as tcp://',
    'backend mine: the peer "b:2" names no scheme and is taken as tcp://',
  ]);
});
