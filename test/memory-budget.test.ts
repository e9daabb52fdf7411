import { totalmem } from 'node:os';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { defaultBudget, MemoryAccount, MemoryBudget } from '../src/memory-budget.ts';
import { Random, SEED } from './support/randomness.ts';

const MIB = 1024 * 1024;

afterEach(() => {
  vi.restoreAllMocks();
});

describe('the budget', () => {
  test('is full above its limit, not at it, and exhausted above five quarters', () => {
    const budget = new MemoryBudget(1_000);
    budget.add(1_000);
    expect(budget).toMatchObject({ full: false, exhausted: false });
    budget.add(1);
    expect(budget).toMatchObject({ full: true, exhausted: false });
    budget.add(249);
    expect(budget).toMatchObject({ used: 1_250, full: true, exhausted: false });
    budget.add(1);
    expect(budget).toMatchObject({ full: true, exhausted: true });
  });

  test('is neither any more when bytes are given back', () => {
    const budget = new MemoryBudget(1_000);
    budget.add(2_000);
    budget.add(-1_000);
    expect(budget).toMatchObject({ used: 1_000, full: false, exhausted: false });
  });
});

describe('the budget of a machine', () => {
  /** With a container that has so many bytes. */
  function within(bytes: number): number {
    vi.spyOn(process, 'constrainedMemory').mockReturnValue(bytes);
    return defaultBudget();
  }

  test('is a quarter of what the container has', () => {
    expect(within(1_024 * MIB)).toBe(Math.min(256 * MIB, Math.floor(totalmem() / 4)));
  });

  test('is 64 MiB at least', () => {
    expect(within(100 * MIB)).toBe(64 * MIB);
  });

  test('is a quarter of the machine where nothing constrains it, or more than there is', () => {
    const quarter = Math.max(64 * MIB, Math.floor(totalmem() / 4));
    expect(within(0)).toBe(quarter);
    // What cgroup v1 says without a limit.
    expect(within(18_446_744_073_709_552_000)).toBe(quarter);
  });

  test('is a quarter of the machine on a Node that cannot tell', () => {
    const { constrainedMemory } = process;
    Reflect.set(process, 'constrainedMemory', undefined);
    try {
      expect(defaultBudget()).toBe(Math.max(64 * MIB, Math.floor(totalmem() / 4)));
    } finally {
      Reflect.set(process, 'constrainedMemory', constrainedMemory);
    }
  });
});

describe('an account', () => {
  test('takes and gives back, and the budget with it', () => {
    const budget = new MemoryBudget(1_000);
    const account = new MemoryAccount(budget);
    account.add(300);
    account.add(-100);
    expect([account.held, budget.used]).toEqual([200, 200]);
  });

  test('is overdrawn by growing when the budget is used up, and stays so', () => {
    const budget = new MemoryBudget(1_000);
    const [one, other] = [new MemoryAccount(budget), new MemoryAccount(budget)];
    one.add(1_000);
    expect(one.overdrawn).toBe(false);
    other.add(1);
    expect([one.overdrawn, other.overdrawn]).toEqual([false, true]);
    other.add(-1);
    expect(other.overdrawn).toBe(true);
  });

  test('is not overdrawn by giving back, or by nothing', () => {
    const budget = new MemoryBudget(1_000);
    const account = new MemoryAccount(budget);
    account.add(900);
    budget.add(500);
    account.add(0);
    account.add(-1);
    expect(account.overdrawn).toBe(false);
  });

  test('knows when memory is short, whoever uses it', () => {
    const budget = new MemoryBudget(1_000);
    const account = new MemoryAccount(budget);
    expect(account.pressed).toBe(false);
    new MemoryAccount(budget).add(1_001);
    expect(account.pressed).toBe(true);
  });

  test('reserves what there is, and nothing of what there is not', () => {
    const budget = new MemoryBudget(1_000);
    const account = new MemoryAccount(budget);
    expect(account.reserve(1_000)).toBe(true);
    expect(account.reserve(1)).toBe(false);
    expect([account.held, budget.used, account.overdrawn]).toEqual([1_000, 1_000, false]);
  });

  test('gives all of it back when it is closed, and counts nothing from then on', () => {
    const budget = new MemoryBudget(1_000);
    const account = new MemoryAccount(budget);
    account.add(700);
    account.close();
    account.add(50);
    account.add(-700);
    expect(account.reserve(5_000)).toBe(true);
    account.close();
    expect([account.held, budget.used]).toEqual([0, 0]);
  });

  test(`what accounts hold is what the budget has, whatever they do (TEST_SEED=${SEED})`, () => {
    const random = new Random(SEED);
    const budget = new MemoryBudget(10_000);
    const accounts = Array.from({ length: 20 }, () => new MemoryAccount(budget));
    for (let i = 0; i < 20_000; i += 1) {
      const at = random.int(0, accounts.length - 1);
      const account = accounts[at]!;
      const bytes = random.int(0, 1_000);
      const choice = random.int(0, 9);
      if (choice < 4) account.add(-Math.min(bytes, account.held));
      else if (choice < 7) account.add(bytes);
      else if (choice < 9) {
        const fits = budget.used + bytes <= budget.limit;
        expect(account.reserve(bytes)).toBe(fits);
      } else {
        account.close();
        accounts[at] = new MemoryAccount(budget);
      }
      expect(budget.used).toBe(accounts.reduce((sum, each) => sum + each.held, 0));
    }
    for (const account of accounts) account.close();
    expect(budget.used).toBe(0);
  });
});
