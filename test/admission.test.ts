import { describe, expect, test } from 'vitest';
import { Admission } from '../src/admission.ts';
import { shareOf } from '../src/descriptors.ts';
import { DEFAULT_LIMITS, type Limits } from '../src/limits.ts';
import { MemoryBudget } from '../src/memory-budget.ts';
import { Random, SEED } from './support/randomness.ts';

const HERE = '192.0.2.1';
const THERE = '192.0.2.2';

interface Setting extends Partial<Limits> {
  readonly descriptors?: number;
  readonly addressed?: boolean;
}

function admission({ descriptors = 1_000_000, addressed = true, ...limits }: Setting = {}) {
  const memory = new MemoryBudget(1_000);
  const admitted = new Admission({
    limits: { ...DEFAULT_LIMITS, ...limits },
    descriptors,
    memory,
    addressed,
  });
  return { admitted, memory };
}

test('at the defaults 10,000 clients from one address meet no limit where 65,536 files may be open', () => {
  const { admitted } = admission({ descriptors: shareOf(65_536) });
  const answers = new Set(Array.from({ length: 10_000 }, () => admitted.enter(HERE, 0)));
  expect([...answers]).toEqual([undefined]);
  expect(admitted.connections).toBe(10_000);
});

describe('the number of connections', () => {
  test('is held to the limit, whoever they are, and who leaves makes room', () => {
    const { admitted } = admission({ connections: 2 });
    expect(admitted.enter(HERE, 0)).toBeUndefined();
    expect(admitted.enter(THERE, 0)).toBeUndefined();
    expect(admitted.enter(HERE, 0)).toBe('connections-full');
    expect(admitted.connections).toBe(2);
    admitted.leave(THERE, false);
    expect(admitted.enter(HERE, 0)).toBeUndefined();
    expect(admitted.enter(HERE, 0)).toBe('connections-full');
  });

  test('is held to the descriptors, two for each', () => {
    const { admitted } = admission({ descriptors: 5 });
    expect(admitted.enter(HERE, 0)).toBeUndefined();
    expect(admitted.enter(HERE, 0)).toBeUndefined();
    expect(admitted.enter(HERE, 0)).toBe('connections-full');
  });

  test('may be larger where peers take no descriptor', () => {
    const { admitted } = admission({ descriptors: 4 });
    for (let i = 0; i < 3; i += 1) {
      expect(admitted.enter(HERE, 0)).toBeUndefined();
      admitted.giveDescriptor();
    }
    // Three are taken; the fourth could need two.
    expect(admitted.enter(HERE, 0)).toBe('connections-full');
    admitted.leave(HERE, true);
    expect(admitted.enter(HERE, 0)).toBeUndefined();
  });
});

describe('a daemon that has trouble', () => {
  test('lets nobody in while it is overloaded', () => {
    const { admitted } = admission();
    admitted.overloaded = true;
    expect(admitted.enter(HERE, 0)).toBe('overloaded');
    admitted.overloaded = false;
    expect(admitted.enter(HERE, 0)).toBeUndefined();
  });

  test('lets nobody in while memory is full', () => {
    const { admitted, memory } = admission();
    memory.add(1_001);
    expect(admitted.enter(HERE, 0)).toBe('memory-full');
    memory.add(-1);
    expect(admitted.enter(HERE, 0)).toBeUndefined();
  });
});

describe('the number of connections of one address', () => {
  test('is held to its limit, and others come in', () => {
    const { admitted } = admission({ addressConnections: 2 });
    expect([HERE, HERE, HERE, THERE].map((address) => admitted.enter(address, 0))).toEqual([
      undefined,
      undefined,
      'address-full',
      undefined,
    ]);
    expect(admitted.connections).toBe(3);
    admitted.leave(HERE, false);
    expect([HERE, HERE].map((address) => admitted.enter(address, 0))).toEqual([undefined, 'address-full']);
  });

  test('counts a /64 of IPv6 as one, and IPv4 within IPv6 as what it is', () => {
    const { admitted } = admission({ addressConnections: 1 });
    expect(admitted.enter('2001:db8::1', 0)).toBeUndefined();
    expect(admitted.enter('2001:db8::2', 0)).toBe('address-full');
    expect(admitted.enter('2001:db8:0:1::2', 0)).toBeUndefined();
    expect(admitted.enter('::ffff:192.0.2.1', 0)).toBeUndefined();
    expect(admitted.enter('192.0.2.1', 0)).toBe('address-full');
    admitted.leave('2001:db8::ffff', false);
    expect(admitted.enter('2001:db8::3', 0)).toBeUndefined();
  });

  test('does not count on a Unix socket, whose clients have no address', () => {
    const { admitted } = admission({ addressConnections: 1, addressRate: 1, addressed: false });
    for (let i = 0; i < 50; i += 1) expect(admitted.enter('unix', 0)).toBeUndefined();
  });
});

describe('the rate of new connections of one address', () => {
  test('allows a second’s worth at once, and then so many a second', () => {
    const { admitted } = admission({ addressRate: 3 });
    const enter = (now: number) => admitted.enter(HERE, now);
    expect([enter(0), enter(0), enter(0), enter(0)]).toEqual([
      undefined,
      undefined,
      undefined,
      'address-rate',
    ]);
    expect([enter(333), enter(334), enter(334)]).toEqual(['address-rate', undefined, 'address-rate']);
    // No more than the burst, however long nobody came.
    expect([1, 2, 3, 4].map(() => enter(1_000_000))).toEqual([
      undefined,
      undefined,
      undefined,
      'address-rate',
    ]);
  });

  test('has a burst of its own if that is set', () => {
    const { admitted } = admission({ addressRate: 1, addressBurst: 5 });
    expect(Array.from({ length: 6 }, () => admitted.enter(HERE, 0)).at(-1)).toBe('address-rate');
    expect(admitted.enter(HERE, 1_000)).toBeUndefined();
    expect(admitted.enter(HERE, 1_000)).toBe('address-rate');
  });

  test('is not used up by attempts that were refused, however many', () => {
    const { admitted } = admission({ addressRate: 1 });
    admitted.enter(HERE, 0);
    for (let now = 1; now < 1_000; now += 1) expect(admitted.enter(HERE, now)).toBe('address-rate');
    expect(admitted.enter(HERE, 1_000)).toBeUndefined();
  });

  test('is each address’s own', () => {
    const { admitted } = admission({ addressRate: 1 });
    expect([HERE, HERE, THERE].map((address) => admitted.enter(address, 0))).toEqual([
      undefined,
      'address-rate',
      undefined,
    ]);
  });

  test('is not touched by who is refused for another reason', () => {
    const { admitted } = admission({ addressRate: 1, connections: 1 });
    expect(admitted.enter(THERE, 0)).toBeUndefined();
    expect(admitted.enter(HERE, 0)).toBe('connections-full');
    admitted.leave(THERE, false);
    expect(admitted.enter(HERE, 0)).toBeUndefined();
  });

  test('forgets the address that has been left alone the longest when there are too many', () => {
    const { admitted } = admission({ addressRate: 1 });
    admitted.enter(HERE, 0);
    admitted.enter(THERE, 0);
    const other = (i: number) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`;
    for (let i = 0; i < 99_999; i += 1) admitted.enter(other(i), 1);
    expect(admitted.enter(THERE, 1)).toBe('address-rate');
    expect(admitted.enter(HERE, 1)).toBeUndefined();
  });

  test(`is that of a bucket of tokens, at whatever times (TEST_SEED=${SEED})`, () => {
    const random = new Random(SEED);
    for (let round = 0; round < 100; round += 1) {
      const [addressRate, addressBurst] = [random.int(1, 20), random.int(0, 10)];
      const burst = addressBurst === 0 ? addressRate : addressBurst;
      const { admitted } = admission({ addressRate, addressBurst });
      // The model knows only when it let somebody in: of any window up to now no more than the burst and the rate allow.
      const entered: number[] = [];
      const allowed = (now: number) =>
        entered.every((start, i) => {
          const since = entered.length - i + 1;
          return since <= burst + ((now - start) * addressRate) / 1_000 + 1e-9;
        });
      let now = random.int(0, 1_000_000);
      for (let i = 0; i < 60; i += 1) {
        now += random.pick([0, 0, 1, random.int(0, 200), random.int(0, 3_000)]);
        const expected = allowed(now);
        const actual = admitted.enter(HERE, now) === undefined;
        // At the very moment a token comes back either answer is right: 1/3 and 2/3 of one are no numbers of a computer.
        if (actual !== expected) {
          expect(allowed(now + 1e-3), `rate ${addressRate}, burst ${burst}, at ${now}`).toBe(true);
          expect(allowed(now - 1e-3)).toBe(false);
        }
        if (actual) entered.push(now);
      }
    }
  });
});

test(`who is in is counted exactly, whoever comes and goes (TEST_SEED=${SEED})`, () => {
  const random = new Random(SEED);
  const { admitted } = admission({ connections: 40, addressConnections: 5, descriptors: 60 });
  const inside: { address: string; within: boolean }[] = [];
  for (let i = 0; i < 20_000; i += 1) {
    if (inside.length > 0 && random.next() < 0.45) {
      const [gone] = inside.splice(random.int(0, inside.length - 1), 1);
      admitted.leave(gone!.address, gone!.within);
    } else {
      const address = `192.0.2.${random.int(1, 12)}`;
      const taken = inside.reduce((sum, { within }) => sum + (within ? 1 : 2), 0);
      const full = inside.length >= 40 || taken + 2 > 60;
      const mine = inside.filter((each) => each.address === address).length;
      expect(admitted.enter(address, i)).toBe(
        full ? 'connections-full' : mine >= 5 ? 'address-full' : undefined,
      );
      if (full || mine >= 5) continue;
      const within = random.next() < 0.5;
      if (within) admitted.giveDescriptor();
      inside.push({ address, within });
    }
    expect(admitted.connections).toBe(inside.length);
  }
});
