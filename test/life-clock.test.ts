import { describe, expect, test } from 'vitest';
import { LifeClock } from '../src/life-clock.ts';

describe('the idle time', () => {
  const clock = () => new LifeClock({ idleTimeout: 1_000, lifeTimeout: 0 });

  test('begins with the first tick, and is over when it is reached', () => {
    const idle = clock();
    expect(idle.tick(70_000, 0, false)).toBeUndefined();
    expect(idle.tick(70_999, 0, false)).toBeUndefined();
    expect(idle.tick(71_000, 0, false)).toBe('idle-timeout');
  });

  test('begins anew with every byte', () => {
    const idle = clock();
    idle.tick(0, 0, false);
    expect(idle.tick(900, 1, false)).toBeUndefined();
    expect(idle.tick(1_800, 2, false)).toBeUndefined();
    expect(idle.tick(2_799, 2, false)).toBeUndefined();
    expect(idle.tick(2_800, 2, false)).toBe('idle-timeout');
  });

  test('does not run while something waits for a side, and then begins anew', () => {
    const idle = clock();
    idle.tick(0, 5, false);
    expect(idle.tick(10_000, 5, true)).toBeUndefined();
    expect(idle.tick(10_999, 5, false)).toBeUndefined();
    expect(idle.tick(11_000, 5, false)).toBe('idle-timeout');
  });

  test('goes on saying so', () => {
    const idle = clock();
    idle.tick(0, 0, false);
    expect(idle.tick(1_000, 0, false)).toBe('idle-timeout');
    expect(idle.tick(1_250, 0, false)).toBe('idle-timeout');
  });
});

describe('the life time', () => {
  const clock = () => new LifeClock({ idleTimeout: 0, lifeTimeout: 1_000 });

  test('runs from the first tick, whatever moves', () => {
    const life = clock();
    expect(life.tick(500, 0, false)).toBeUndefined();
    expect(life.tick(1_499, 10, true)).toBeUndefined();
    expect(life.tick(1_500, 20, true)).toBe('life-timeout');
  });

  test('is named where both are over', () => {
    const both = new LifeClock({ idleTimeout: 1_000, lifeTimeout: 1_000 });
    both.tick(0, 0, false);
    expect(both.tick(1_000, 0, false)).toBe('life-timeout');
  });
});

test('without limits nothing is ever due', () => {
  const clock = new LifeClock({ idleTimeout: 0, lifeTimeout: 0 });
  clock.tick(0, 0, false);
  expect(clock.tick(Number.MAX_SAFE_INTEGER, 0, false)).toBeUndefined();
});
