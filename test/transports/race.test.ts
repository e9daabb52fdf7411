/** A look-up that is a stranger's code, and answers what it should not: the dial fails, at once, and leaves nothing behind. */
import { describe, expect, test } from 'vitest';
import { Cancellation } from '../../src/cancellation.ts';
import { isInstance } from '../../src/errors.ts';
import { connectFirst } from '../../src/transports/race.ts';
import type { Resolver } from '../../src/transports/resolve.ts';

const LIMITS = { dialTimeout: 60_000, closeTimeout: 1_000, stallTimeout: 1_000 };

function dialWith(resolver: () => unknown, cancellation = new Cancellation()): Promise<unknown> {
  const options = { ...LIMITS, resolver: resolver as Resolver };
  return connectFirst({ kind: 'tcp', host: 'peer.test', port: 1 }, options, cancellation).then(
    () => {
      throw new Error('it connected');
    },
    (reason: unknown) => reason,
  );
}

describe('a look-up that', () => {
  test.each<[string, () => unknown]>([
    ['answers undefined', () => undefined],
    ['answers null', () => null],
    ['answers a number', () => 7],
    ['answers a text', () => '127.0.0.1'],
    ['answers numbers', () => [7]],
    ['answers an address and no address', () => ['127.0.0.1', undefined]],
    ['promises undefined', async () => undefined],
    ['promises numbers', async () => [7]],
    ['answers an object', () => ({})],
  ])('%s is a TypeError, and nobody is dialled', async (_, resolver) => {
    const reason = await dialWith(resolver);
    expect(isInstance(reason, TypeError)).toBe(true);
    expect(String(reason)).toContain('the resolver answered no list of addresses');
  });

  test.each<[string, unknown]>([
    ['an error', new Error('ENOTFOUND')],
    ['undefined', undefined],
    ['a symbol', Symbol('s')],
    [
      'a Proxy that throws',
      new Proxy(
        {},
        {
          get() {
            throw new Error('again');
          },
        },
      ),
    ],
  ])('rejects with %s is a dial-failed', async (_, thrown) => {
    expect(await dialWith(() => Promise.reject(thrown))).toMatchObject({ code: 'dial-failed' });
  });

  test('throws is what it has thrown', async () => {
    const thrown = new Error('secret');
    expect(
      await dialWith(() => {
        throw thrown;
      }),
    ).toBe(thrown);
  });

  test('answers garbage leaves no timer behind, and does not listen any more', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    const cancellation = new Cancellation();
    await dialWith(() => 7, cancellation);
    expect(timers()).toBe(before);
  });

  test('answers when the dial is not wanted any more is not looked at', async () => {
    const cancellation = new Cancellation();
    let looked = false;
    let answer: (list: unknown) => void = () => {};
    const found = new Promise((resolve) => {
      answer = resolve;
    });
    const dialled = dialWith(() => found, cancellation);
    const reason = new Error('not wanted');
    cancellation.abort(reason);
    expect(await dialled).toBe(reason);
    answer(
      new Proxy(['127.0.0.1'], {
        get(target, name) {
          if (name === 'length') looked = true;
          return Reflect.get(target, name);
        },
      }),
    );
    await found;
    expect(looked).toBe(false);
  });
});
