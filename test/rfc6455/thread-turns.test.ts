/** Turns in other threads: no more than there are, in order, and none for who is gone. */
import { expect, test } from 'vitest';
import { ThreadTurns } from '../../src/rfc6455/thread-turns.ts';

function turnsOf(threads: number) {
  const turns = new ThreadTurns(threads);
  const began: string[] = [];
  const begin = (name: string) => () => {
    began.push(name);
  };
  /** As its user does. */
  const start = (act: () => void) => {
    if (turns.take()) act();
    else turns.wait(act);
  };
  return { turns, began, begin, start };
}

test('as many begin at once as there are threads, the others in their order as those are done', () => {
  const { turns, began, begin, start } = turnsOf(2);
  for (const name of ['a', 'b', 'c', 'd']) start(begin(name));
  expect(began).toEqual(['a', 'b']);
  turns.done();
  expect(began).toEqual(['a', 'b', 'c']);
  turns.done();
  turns.done();
  turns.done();
  expect(began).toEqual(['a', 'b', 'c', 'd']);
  start(begin('e'));
  start(begin('f'));
  start(begin('g'));
  expect(began).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
});

test('who need not begin any more is passed over, and takes no turn', () => {
  const { turns, began, begin, start } = turnsOf(1);
  const gone = begin('gone');
  start(begin('a'));
  start(gone);
  start(begin('b'));
  turns.cancel(gone);
  turns.done();
  expect(began).toEqual(['a', 'b']);
});
