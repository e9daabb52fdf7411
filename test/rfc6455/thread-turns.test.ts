/** Turns in other threads: no more than there are, in order, and none for who is gone. */
import { expect, test } from 'vitest';
import { ThreadTurns } from '../../src/rfc6455/thread-turns.ts';

function turnsOf(threads: number) {
  const turns = new ThreadTurns(threads);
  const began: string[] = [];
  const begin = (name: string) => () => {
    began.push(name);
  };
  return { turns, began, begin };
}

test('as many begin at once as there are threads, the others in their order as those are done', () => {
  const { turns, began, begin } = turnsOf(2);
  for (const name of ['a', 'b', 'c', 'd']) turns.take(begin(name));
  expect(began).toEqual(['a', 'b']);
  turns.done();
  expect(began).toEqual(['a', 'b', 'c']);
  turns.done();
  turns.done();
  turns.done();
  expect(began).toEqual(['a', 'b', 'c', 'd']);
  turns.take(begin('e'));
  turns.take(begin('f'));
  turns.take(begin('g'));
  expect(began).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
});

test('who need not begin any more is passed over, and takes no turn', () => {
  const { turns, began, begin } = turnsOf(1);
  const gone = begin('gone');
  turns.take(begin('a'));
  turns.take(gone);
  turns.take(begin('b'));
  turns.cancel(gone);
  turns.done();
  expect(began).toEqual(['a', 'b']);
});
