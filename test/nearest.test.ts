import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nearest, suggest } from '../src/nearest.ts';

describe('nearest', () => {
  test.each([
    ['prot', 'port', 'two letters swapped'],
    ['por', 'port', 'a letter missing'],
    ['portt', 'port', 'a letter too many'],
    ['pork', 'port', 'a letter replaced'],
    ['PORT', 'port', 'another case'],
    ['--drian', '--drain', 'a flag'],
    ['fr', 'framing', 'too far'],
  ])('takes %j for %j or nothing: %s', (typed, known, what) => {
    const expected = what === 'too far' ? undefined : known;
    expect(nearest(typed, ['host', 'framing', 'protocol', 'port', '--drain', '--drain-wait'])).toBe(expected);
  });

  test('prefers the name with the fewest edits, wherever it stands in the list', () => {
    expect(nearest('newlin', ['newlines', 'newline'])).toBe('newline');
    expect(nearest('newlin', ['newline', 'newlines'])).toBe('newline');
  });

  test('keeps the first of two that are equally near', () => {
    expect(nearest('cat', ['bat', 'hat'])).toBe('bat');
  });

  test('suggests nothing for a name of which nothing would be left', () => {
    expect(nearest('', ['p'])).toBeUndefined();
    expect(nearest('x', ['p'])).toBeUndefined();
    expect(nearest('xy', ['pq'])).toBeUndefined();
    expect(nearest('xy', ['xq'])).toBe('xq');
  });

  test('allows two edits and refuses three', () => {
    expect(nearest('abcdef', ['abcdXY'])).toBe('abcdXY');
    expect(nearest('abcdef', ['abcXYZ'])).toBeUndefined();
    expect(nearest('abcdef', ['abcdefXYZ'])).toBeUndefined();
    expect(nearest('abcdef', ['abc'])).toBeUndefined();
    expect(nearest('abcdef', ['abcdefXY'])).toBe('abcdefXY');
  });

  test('suggests nothing where nothing is known', () => {
    expect(nearest('port', [])).toBeUndefined();
  });

  test('finds its way back from up to two random edits', () => {
    const word = fc.string({ minLength: 4, maxLength: 12, unit: fc.constantFrom(...'abcdefgh') });
    const edit = fc.record({
      kind: fc.constantFrom('insert', 'delete', 'replace'),
      at: fc.nat(100),
      char: fc.constantFrom(...'abcdefgh'),
    });
    fc.assert(
      fc.property(word, fc.array(edit, { maxLength: 2 }), (name, edits) => {
        let typed = name;
        for (const { kind, at, char } of edits) {
          const place = at % (typed.length + 1);
          const kept = kind === 'insert' ? place : place + 1;
          typed = typed.slice(0, place) + (kind === 'delete' ? '' : char) + typed.slice(kept);
        }
        expect(nearest(typed, [name])).toBe(edits.length >= typed.length ? nearest(typed, [name]) : name);
      }),
    );
  });

  test('compares no letters of names whose lengths differ too much, so that a long one costs little', () => {
    const looked: string[] = [];
    const watched = (name: string) =>
      ({
        length: name.length,
        toLowerCase: () => {
          looked.push(name);
          return name;
        },
      }) as string;
    const known = ['port', 'listen', 'drain-wait'].map(watched);
    expect(nearest('x'.repeat(100_000), known)).toBeUndefined();
    expect(looked).toEqual([]);
    expect(nearest('prot', known)).toBe(known[0]);
    expect(looked).toEqual(['port']);
  });
});

test('what is suggested is the nearest name, or all of them where none is near', () => {
  expect(suggest('prot', ['port', 'listen'])).toBe('did you mean port?');
  expect(suggest('nothing-like-it', ['port', 'listen'])).toBe('there are: port, listen');
});
