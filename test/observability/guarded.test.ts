/** A log that an embedding program has written ends no connection. */
import { expect, test } from 'vitest';
import { guarded } from '../../src/observability/guarded.ts';
import { createLogger, LOG_LEVELS, type Logger } from '../../src/observability/logger.ts';

test.each(LOG_LEVELS.map((level, i) => [level, LOG_LEVELS.slice(0, i + 1)] as const))(
  'at %s the levels that were not there are not there now',
  (level, enabled) => {
    const log = guarded(createLogger(level, () => {}));
    for (const name of LOG_LEVELS)
      expect(typeof log[name]).toBe(enabled.includes(name) ? 'function' : 'undefined');
  },
);

test('event and fields arrive, with the object as `this` that they were meant for', () => {
  const log = {
    seen: [] as unknown[],
    error(event: string, fields?: object) {
      this.seen.push(event, fields);
    },
  };
  guarded(log).error('event', { id: 7 });
  expect(log.seen).toEqual(['event', { id: 7 }]);
});

test('what it throws is swallowed and counted, and told of when it takes a line again', () => {
  const lines: [string, unknown][] = [];
  let broken = true;
  const take = (event: string, fields?: object) => {
    if (broken) throw new Error('no');
    lines.push([event, fields]);
  };
  const log = guarded({ error: take, warn: take, info: take });
  log.error('one');
  log.info?.('two');
  expect(log.failures).toBe(2);
  broken = false;
  log.info?.('three', { id: 1 });
  log.info?.('four');
  expect(lines).toEqual([
    ['three', { id: 1 }],
    ['log lines lost, for the logger threw', { lines: 2 }],
    ['four', undefined],
  ]);
});

test('a promise that it rejects is no stray one', async () => {
  const log = guarded({ error: (async () => Promise.reject(new Error('no'))) as () => void });
  log.error('one');
  await new Promise((resolve) => setImmediate(resolve));
  expect(log.failures).toBe(1);
});

test.each<[string, unknown]>([
  ['undefined', undefined],
  ['a string', 'no'],
  [
    'an object that throws when it is looked at',
    new Proxy(
      {},
      {
        get() {
          throw new Error('no');
        },
        getPrototypeOf() {
          throw new Error('no');
        },
      },
    ),
  ],
])('it may throw %s', (_what, thrown) => {
  const log = guarded({
    error: () => {
      throw thrown;
    },
  });
  log.error('one');
  expect(log.failures).toBe(1);
});

test('it may return what throws when it is looked at', () => {
  const odd = {
    // biome-ignore lint/suspicious/noThenProperty: what is not a promise, and looks like one
    get then() {
      throw new Error('no');
    },
  };
  expect(() => guarded({ error: (() => odd) as () => void }).error('one')).not.toThrow();
});

test('a level whose getter throws is off; so is one that is no function', () => {
  const odd = {
    error: 'x',
    warn: 7,
    get info() {
      throw new Error('no');
    },
  } as unknown as Logger;
  const log = guarded(odd);
  expect(() => log.error('one')).not.toThrow();
  expect([log.warn, log.info]).toEqual([undefined, undefined]);
});
