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
