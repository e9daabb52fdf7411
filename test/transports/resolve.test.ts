/** The resolver with a look-up and a clock of the test's own: nothing here asks the system for a name. */

import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createResolver, interleaveFamilies } from '../../src/transports/resolve.ts';

interface Pending {
  readonly host: string;
  answer(addresses: readonly string[]): void;
  fail(error: Error): void;
}

/** A resolver whose look-ups the test answers, and whose clock it sets. */
function setup() {
  const asked: Pending[] = [];
  const clock = { now: 1_000 };
  const resolver = createResolver({
    lookup: (host) =>
      new Promise((resolve, reject) => {
        asked.push({ host, answer: resolve, fail: reject });
      }),
    now: () => clock.now,
  });
  return { resolver, asked, clock };
}

describe('literals and localhost', () => {
  test.each(['127.0.0.1', '192.0.2.255', '::1', '2001:db8::1', 'fe80::1%eth0'])(
    '%s is itself, at once, and nobody is asked',
    (literal) => {
      const { resolver, asked } = setup();
      expect(resolver(literal)).toEqual([literal]);
      expect(asked).toEqual([]);
    },
  );

  test.each(['localhost', 'LocalHost', 'localhost.'])(
    '%s is loopback of both families, IPv4 first, at once, and nobody is asked (RFC 6761 §6.3)',
    (name) => {
      const { resolver, asked } = setup();
      expect(resolver(name)).toEqual(['127.0.0.1', '::1']);
      expect(asked).toEqual([]);
    },
  );

  test('a name that only looks like one is asked for', () => {
    const { resolver, asked } = setup();
    for (const name of ['localhost.example', 'localhosts', '127.0.0', '1.2.3.4.5']) void resolver(name);
    expect(asked.map(({ host }) => host)).toEqual([
      'localhost.example',
      'localhosts',
      '127.0.0',
      '1.2.3.4.5',
    ]);
  });
});

describe('a look-up', () => {
  test('that is under way serves all who wait, in whatever case they spell the name', async () => {
    const { resolver, asked } = setup();
    const waiting = [resolver('db.example'), resolver('db.example'), resolver('DB.Example')];
    expect(asked).toHaveLength(1);
    expect(asked[0]!.host).toBe('db.example');
    asked[0]!.answer(['192.0.2.1']);
    for (const found of waiting) expect(await found).toEqual(['192.0.2.1']);
  });

  test('that fails, fails for all who wait', async () => {
    const { resolver, asked } = setup();
    const waiting = [resolver('db.example'), resolver('db.example')];
    asked[0]!.fail(new Error('ENOTFOUND'));
    for (const found of waiting) await expect(found).rejects.toThrow('ENOTFOUND');
    expect(asked).toHaveLength(1);
  });

  test('is asked for each name', () => {
    const { resolver, asked } = setup();
    void resolver('a.example');
    void resolver('b.example');
    expect(asked.map(({ host }) => host)).toEqual(['a.example', 'b.example']);
  });

  test('that succeeded is kept for 5 s, counted from its answer, and handed out without a promise', async () => {
    const { resolver, asked, clock } = setup();
    const first = resolver('db.example');
    clock.now += 60_000;
    asked[0]!.answer(['192.0.2.1']);
    await first;
    clock.now += 4_999;
    expect(resolver('db.example')).toEqual(['192.0.2.1']);
    expect(asked).toHaveLength(1);
    clock.now += 1;
    const second = resolver('db.example');
    expect(asked).toHaveLength(2);
    asked[1]!.answer(['192.0.2.2']);
    expect(await second).toEqual(['192.0.2.2']);
    expect(resolver('db.example')).toEqual(['192.0.2.2']);
  });

  test('that failed is kept for 1 s, then asked for anew', async () => {
    const { resolver, asked, clock } = setup();
    const first = resolver('db.example');
    clock.now += 60_000;
    asked[0]!.fail(new Error('EAI_AGAIN'));
    await expect(first).rejects.toThrow('EAI_AGAIN');
    clock.now += 999;
    await expect(resolver('db.example')).rejects.toThrow('EAI_AGAIN');
    expect(asked).toHaveLength(1);
    clock.now += 1;
    const second = resolver('db.example');
    expect(asked).toHaveLength(2);
    asked[1]!.answer(['192.0.2.1']);
    expect(await second).toEqual(['192.0.2.1']);
  });

  test('that failed and that nobody waits for any more is no unhandled rejection', async () => {
    // Vitest fails a run that has one; and nothing else here would handle it.
    const { resolver, asked } = setup();
    (resolver('db.example') as Promise<unknown>).catch(() => {});
    asked[0]!.fail(new Error('ENOTFOUND'));
    await new Promise((resolve) => setImmediate(resolve));
  });

  test('that never answers holds up no literal, no localhost, no kept name and no other name', async () => {
    const { resolver, asked, clock } = setup();
    const kept = resolver('kept.example');
    asked[0]!.answer(['192.0.2.1']);
    await kept;
    const hanging = resolver('hangs.example');
    expect(hanging).toBeInstanceOf(Promise);
    expect(resolver('192.0.2.9')).toEqual(['192.0.2.9']);
    expect(resolver('localhost')).toEqual(['127.0.0.1', '::1']);
    expect(resolver('kept.example')).toEqual(['192.0.2.1']);
    const other = resolver('other.example');
    asked[2]!.answer(['192.0.2.3']);
    expect(await other).toEqual(['192.0.2.3']);
    // And it does not multiply: who asks for it later waits for the same one.
    clock.now += 3_600_000;
    expect(resolver('hangs.example')).toBe(hanging);
    expect(asked).toHaveLength(3);
  });

  test('that answers with nothing gives nothing', async () => {
    const { resolver, asked } = setup();
    const found = resolver('empty.example');
    asked[0]!.answer([]);
    expect(await found).toEqual([]);
  });

  test('is the system’s where none is given', async () => {
    // .invalid (RFC 6761 §6.4) exists nowhere; a name over 255 bytes does not even leave the C library.
    const found = createResolver()(`${'a.'.repeat(200)}invalid`);
    await expect(found).rejects.toThrow(/ENOTFOUND|EAI_|EINVAL/);
  });
});

describe('the names that are kept', () => {
  test('are at most 1000: the oldest goes', async () => {
    const { resolver, asked } = setup();
    for (let i = 0; i < 1_000; i += 1) {
      const found = resolver(`host${i}.example`);
      asked[i]!.answer([`192.0.2.${i % 256}`]);
      await found;
    }
    expect(resolver('host0.example')).toEqual(['192.0.2.0']);
    expect(asked).toHaveLength(1_000);
    void resolver('one-more.example');
    expect(asked).toHaveLength(1_001);
    // host0 has gone; host1 is still there, until host0 comes back in its place.
    expect(resolver('host1.example')).toEqual(['192.0.2.1']);
    void resolver('host0.example');
    expect(asked).toHaveLength(1_002);
    expect(resolver('host2.example')).toEqual(['192.0.2.2']);
    void resolver('host1.example');
    expect(asked).toHaveLength(1_003);
  });

  test('give room for themselves: asking again for one that has expired throws out no other', async () => {
    const { resolver, asked, clock } = setup();
    for (let i = 0; i < 1_000; i += 1) {
      if (i === 500) clock.now += 4_000;
      const found = resolver(`host${i}.example`);
      asked[i]!.answer(['192.0.2.1']);
      await found;
    }
    clock.now += 1_000;
    void resolver('host400.example');
    expect(asked).toHaveLength(1_001);
    expect(resolver('host500.example')).toEqual(['192.0.2.1']);
    expect(resolver('host999.example')).toEqual(['192.0.2.1']);
    expect(asked).toHaveLength(1_001);
  });

  test('give room for themselves where an older one is still good', async () => {
    const { resolver, asked, clock } = setup();
    for (let i = 0; i < 1_000; i += 1) {
      const found = resolver(`host${i}.example`);
      // A failure is kept for a shorter time, so host1 expires before host0, the oldest.
      if (i === 1) asked[i]!.fail(new Error('EAI_AGAIN'));
      else asked[i]!.answer(['192.0.2.1']);
      await Promise.resolve(found).catch(() => {});
    }
    clock.now += 1_000;
    void resolver('host1.example');
    expect(asked).toHaveLength(1_001);
    expect(resolver('host0.example')).toEqual(['192.0.2.1']);
    expect(asked).toHaveLength(1_001);
  });
});

describe('families', () => {
  test.each([
    [[], []],
    [['192.0.2.1'], ['192.0.2.1']],
    [
      ['192.0.2.1', '192.0.2.2'],
      ['192.0.2.1', '192.0.2.2'],
    ],
    [
      ['::1', '::2', '192.0.2.1', '192.0.2.2'],
      ['::1', '192.0.2.1', '::2', '192.0.2.2'],
    ],
    [
      ['192.0.2.1', '192.0.2.2', '192.0.2.3', '::1'],
      ['192.0.2.1', '::1', '192.0.2.2', '192.0.2.3'],
    ],
    [
      ['192.0.2.1', '::1', '::2', '::3'],
      ['192.0.2.1', '::1', '::2', '::3'],
    ],
  ])('of %j take turns: %j (RFC 8305 §4)', (given, expected) => {
    expect(interleaveFamilies(given)).toEqual(expected);
  });

  test('take turns in what a look-up answers', async () => {
    const { resolver, asked } = setup();
    const found = resolver('dual.example');
    asked[0]!.answer(['::1', '::2', '192.0.2.1']);
    expect(await found).toEqual(['::1', '192.0.2.1', '::2']);
    expect(resolver('dual.example')).toEqual(['::1', '192.0.2.1', '::2']);
  });

  test('lose and gain nothing, and keep their own order, for any list', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.ipV4(), fc.ipV6())), (given) => {
        const mixed = interleaveFamilies(given);
        for (const family of [4, 6]) {
          const of = (list: readonly string[]) => list.filter((address) => isIP(address) === family);
          expect(of(mixed)).toEqual(of(given));
        }
        expect(mixed[0]).toBe(given[0]);
        // As long as both families have one left, no two of the same stand side by side.
        const least = Math.min(...[4, 6].map((f) => given.filter((a) => isIP(a) === f).length));
        for (let i = 1; i < 2 * least; i += 1) expect(isIP(mixed[i]!)).not.toBe(isIP(mixed[i - 1]!));
      }),
    );
  });
});
