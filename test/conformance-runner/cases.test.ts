import { describe, expect, test } from 'vitest';
import { allCases, DEFAULT_CASES, matching, SECTIONS, sectionOf, select } from '../../conformance/cases.ts';

const ALL = ['1.1.1', '1.1.2', '1.2.1', '2.1', '2.10', '10.1.1', '12.1.1', '12.1.10'];

describe('a pattern', () => {
  test.each([
    ['1.1.1', ['1.1.1']],
    ['1.1', ['1.1.1', '1.1.2']],
    ['1.1.*', ['1.1.1', '1.1.2']],
    ['1', ['1.1.1', '1.1.2', '1.2.1']],
    ['1.*', ['1.1.1', '1.1.2', '1.2.1']],
    ['2.1', ['2.1']],
    ['12.1.1', ['12.1.1']],
    ['*', ALL],
  ])('%s means whole numbers, not their beginnings', (pattern, cases) => {
    expect(matching(pattern, ALL)).toEqual(cases);
  });

  test.each(['3', '3.*', '1.1.1.*', '2.1.1', '0'])('%s that means no case is refused', (pattern) => {
    expect(() => matching(pattern, ALL)).toThrow(`no case of the suite matches ${pattern}`);
  });

  test.each(['', '1.', '.1', '1*', '1.*.1', '**', 'a', '1.1.1 ', '-1'])('"%s" is none', (pattern) => {
    expect(() => matching(pattern, ALL)).toThrow('is no pattern');
  });
});

describe('a selection', () => {
  test('is in the order of the suite, each case once, less what is excluded', () => {
    expect(select(['12', '1.1', '1'], ['1.1.2', '12.1.10'], ALL)).toEqual(['1.1.1', '1.2.1', '12.1.1']);
  });

  test('is refused when nothing is left', () => {
    expect(() => select(['1.1'], ['1'], ALL)).toThrow('no case is left to run');
  });

  test('is refused when a pattern to exclude means nothing', () => {
    expect(() => select(['*'], ['11'], ALL)).toThrow('no case of the suite matches 11');
  });
});

describe('cases.json', () => {
  const all = allCases();

  test('has the 517 cases of the suite, each once', () => {
    expect(new Set(all).size).toBe(517);
    expect(all).toHaveLength(517);
  });

  test('has so many in each section, and each section has a title', () => {
    const counts: Record<string, number> = {};
    for (const id of all) counts[sectionOf(id)] = (counts[sectionOf(id)] ?? 0) + 1;
    expect(counts).toEqual({
      1: 16,
      2: 11,
      3: 7,
      4: 10,
      5: 20,
      6: 145,
      7: 37,
      9: 54,
      10: 1,
      12: 90,
      13: 126,
    });
    expect(Object.keys(SECTIONS)).toEqual(Object.keys(counts));
  });

  test('is more than the usual selection, which has all of it but compression, and of that every kind', () => {
    const usual = select(DEFAULT_CASES, [], all);
    expect(usual).toHaveLength(409);
    const left = all.filter((id) => !usual.includes(id));
    expect([...new Set(left.map(sectionOf))]).toEqual(['12', '13']);
    const groups = (cases: readonly string[]) =>
      new Set(cases.map((id) => id.split('.').slice(0, 2).join('.')));
    expect(groups(usual)).toEqual(groups(all));
  });
});
