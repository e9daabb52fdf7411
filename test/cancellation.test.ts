/** A Cancellation is to its listeners what an AbortController's signal is. */
import { describe, expect, test, vi } from 'vitest';
import { Cancellation } from '../src/cancellation.ts';

const reason = new Error('not wanted any more');

describe('a cancellation', () => {
  test('tells each listener once, in the order in which they came, and knows why', () => {
    const cancellation = new Cancellation();
    const told: string[] = [];
    cancellation.addEventListener('abort', () => told.push('first'));
    cancellation.addEventListener('abort', () => told.push(`second: ${cancellation.aborted}`));
    expect([cancellation.aborted, cancellation.reason, told]).toEqual([false, undefined, []]);
    cancellation.abort(reason);
    cancellation.abort(new Error('again'));
    expect(told).toEqual(['first', 'second: true']);
    expect(cancellation.reason).toBe(reason);
  });

  test('does not tell a listener that was removed, nor is one that was never there missed', () => {
    const cancellation = new Cancellation();
    const removed = vi.fn();
    const stays = vi.fn();
    cancellation.addEventListener('abort', removed);
    cancellation.addEventListener('abort', stays);
    cancellation.removeEventListener('abort', removed);
    cancellation.removeEventListener('abort', removed);
    cancellation.abort(reason);
    expect(removed).not.toHaveBeenCalled();
    expect(stays).toHaveBeenCalledTimes(1);
  });

  test('tells the others even if one removes itself meanwhile', () => {
    const cancellation = new Cancellation();
    const last = vi.fn();
    const first = () => cancellation.removeEventListener('abort', first);
    cancellation.addEventListener('abort', first);
    cancellation.addEventListener('abort', last);
    cancellation.abort(reason);
    expect(last).toHaveBeenCalledTimes(1);
  });
});

describe('its signal', () => {
  test("is one of Node's, the same each time, and is aborted with it and for its reason", () => {
    const cancellation = new Cancellation();
    const { signal } = cancellation;
    expect(signal).toBeInstanceOf(AbortSignal);
    expect(cancellation.signal).toBe(signal);
    expect(signal.aborted).toBe(false);
    cancellation.abort(reason);
    expect([signal.aborted, signal.reason]).toEqual([true, reason]);
  });

  test('is aborted already if it is asked for afterwards', () => {
    const cancellation = new Cancellation();
    cancellation.abort(reason);
    expect([cancellation.signal.aborted, cancellation.signal.reason]).toEqual([true, reason]);
  });

  test('tells its listeners after those of the cancellation', () => {
    const cancellation = new Cancellation();
    const told: string[] = [];
    cancellation.signal.addEventListener('abort', () => told.push('signal'));
    cancellation.addEventListener('abort', () => told.push('cancellation'));
    cancellation.abort(reason);
    expect(told).toEqual(['cancellation', 'signal']);
  });
});

describe('a listener of its signal that throws', () => {
  const mistake = new Error('in the listener');
  const throws = () => {
    throw mistake;
  };

  test.each<[string, (signal: AbortSignal) => void]>([
    ['a function', (signal) => signal.addEventListener('abort', throws)],
    ['an object', (signal) => signal.addEventListener('abort', { handleEvent: throws })],
    ['for once', (signal) => signal.addEventListener('abort', throws, { once: true })],
    [
      'onabort',
      (signal) => {
        signal.onabort = throws;
      },
    ],
  ])('as %s is told of, and the others hear of it all the same', (_, listen) => {
    const thrown: unknown[] = [];
    const cancellation = new Cancellation((error) => thrown.push(error));
    const { signal } = cancellation;
    const before = vi.fn();
    const after = vi.fn();
    signal.addEventListener('abort', before);
    listen(signal);
    signal.addEventListener('abort', after);
    cancellation.abort(reason);
    expect(thrown).toEqual([mistake]);
    expect(before).toHaveBeenCalledTimes(1);
    expect(after).toHaveBeenCalledTimes(1);
  });

  test('is told of without anybody who wants to know', () => {
    const cancellation = new Cancellation();
    cancellation.signal.addEventListener('abort', throws);
    expect(() => cancellation.abort(reason)).not.toThrow();
  });

  test('does not hide from removal: function and object are known by themselves', () => {
    const thrown: unknown[] = [];
    const cancellation = new Cancellation((error) => thrown.push(error));
    const { signal } = cancellation;
    const object = { handleEvent: throws };
    signal.addEventListener('abort', throws);
    signal.addEventListener('abort', object);
    signal.removeEventListener('abort', throws);
    signal.removeEventListener('abort', object);
    cancellation.abort(reason);
    expect(thrown).toEqual([]);
  });

  test('the same one twice is one', () => {
    const thrown: unknown[] = [];
    const cancellation = new Cancellation((error) => thrown.push(error));
    cancellation.signal.addEventListener('abort', throws);
    cancellation.signal.addEventListener('abort', throws);
    cancellation.abort(reason);
    expect(thrown).toEqual([mistake]);
  });

  test('at two signals is told of to each of them', () => {
    const told: string[] = [];
    const one = new Cancellation(() => told.push('one'));
    const other = new Cancellation(() => told.push('other'));
    one.signal.addEventListener('abort', throws);
    other.signal.addEventListener('abort', throws);
    other.abort(reason);
    one.abort(reason);
    expect(told).toEqual(['other', 'one']);
  });

  test('gets the event and the signal as Node gives them', () => {
    const cancellation = new Cancellation();
    const { signal } = cancellation;
    let seen: unknown[] = [];
    signal.addEventListener('abort', function (this: AbortSignal, event) {
      seen = [this, event.type, event.target];
    });
    cancellation.abort(reason);
    expect(seen).toEqual([signal, 'abort', signal]);
  });

  test.runIf('any' in AbortSignal)(
    'leaves what hangs on the signal alone: those made of it are aborted, too',
    () => {
      const cancellation = new Cancellation();
      const { signal } = cancellation;
      signal.addEventListener('abort', throws);
      const both = AbortSignal.any([signal, new AbortController().signal]);
      cancellation.abort(reason);
      expect([both.aborted, both.reason]).toEqual([true, reason]);
      expect(() => signal.throwIfAborted()).toThrow(reason);
    },
  );
});
