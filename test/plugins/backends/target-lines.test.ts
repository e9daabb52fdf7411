/** Which line of a target file a client gets. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chooseTarget } from '../../../src/plugins/backends/target-lines.ts';
import { SEED, SEEDED } from '../../support/cuts.ts';

describe('the line', () => {
  const file = 'tcp://a:1 chat\ntcp://b:2 * binary\ntcp://c:3 mqtt\n';

  test.each([
    ['of a client without offers is the first', file, [], 1, undefined],
    ['is the first one that the client offers', file, ['mqtt', 'chat'], 1, 'chat'],
    ['with * takes the first offer', file, ['x', 'y'], 2, 'x'],
    ['with * comes before a later one that names the offer', file, ['mqtt'], 2, 'mqtt'],
    ['is compared with regard to case', file, ['Chat'], 2, 'Chat'],
    ['is compared as a whole', file, ['cha', 'chats'], 2, 'cha'],
    ['may be the last', 'tcp://a:1 a\ntcp://b:2 b', ['b'], 2, 'b'],
    ['with * alone, and no offers', 'tcp://a:1 *', [], 1, undefined],
    ['names what the client offers, and * is a name too', 'tcp://a:1 a\ntcp://b:2 *', ['*'], 2, '*'],
    ['of a client without offers is the first one that is any', '\n#x\nfoo\ntcp://a:1 a\n', [], 4, undefined],
    ['of a client without offers may name two', 'tcp://a:1 a,b', [], 1, undefined],
  ])('%s', (_what, text, offers, line, subprotocol) => {
    expect(chooseTarget(text, offers).target).toMatchObject({ line, subprotocol });
  });

  test.each([
    ['no line names an offer', 'tcp://a:1 a\ntcp://b:2 b', ['c']],
    ['the file is empty', '', []],
    ['the file is one line feed', '\n', []],
    ['the file is all comments', '# tcp://a:1 a\n; tcp://a:1 *\n', ['a']],
    ['every line is malformed', 'tcp://a:1\n\n', ['a']],
  ])('is none if %s', (_what, text, offers) => {
    expect(chooseTarget(text, offers).target).toBeUndefined();
  });
});

describe('the fields', () => {
  test.each([
    ['tcp://a:1 p', 'tcp://a:1', undefined, undefined],
    ['tcp://a:1 p auto', 'tcp://a:1', 'auto', undefined],
    ['tcp://a:1 p separator ;', 'tcp://a:1', 'separator', ';'],
    ['tcp://a:1 p separator a  b\tc', 'tcp://a:1', 'separator', 'a  b\tc'],
    ['tcp://a:1 p separator # ;', 'tcp://a:1', 'separator', '# ;'],
    ['  tcp://a:1 \t p\t\tframing  \t config  \t', 'tcp://a:1', 'framing', 'config'],
    ['\ttcp://a:1\tp', 'tcp://a:1', undefined, undefined],
    ['tcp://a:1 p \t ', 'tcp://a:1', undefined, undefined],
    ['tcp://a:1 p auto ', 'tcp://a:1', 'auto', undefined],
    ['tcp://a:1 p auto\r', 'tcp://a:1', 'auto', undefined],
    ['tcp://a:1 p f x \r', 'tcp://a:1', 'f', 'x'],
    ['tcp://a:1 p f x\r\r', 'tcp://a:1', 'f', 'x\r'],
    ['tcp://a:1 p f \rx', 'tcp://a:1', 'f', '\rx'],
    ['tcp://a:1 p f a\u2028b', 'tcp://a:1', 'f', 'a\u2028b'],
    ['tcp://a:1 p f \u00a0', 'tcp://a:1', 'f', '\u00a0'],
    ['unix:///run/a#b p', 'unix:///run/a#b', undefined, undefined],
    ['\ufefftcp://a:1 p', 'tcp://a:1', undefined, undefined],
  ])('of %j', (line, peer, framing, framingConfig) => {
    for (const text of [line, `${line}\n`, `${line}\ntcp://other:1 p`]) {
      const { target, malformedCount } = chooseTarget(text, ['p']);
      expect(target).toEqual({ line: 1, peer, subprotocol: 'p', framing, framingConfig });
      expect(malformedCount).toBe(0);
    }
  });

  test('may end in CRLF throughout', () => {
    const text = '# comment\r\ntcp://a:1 a f x\r\ntcp://b:2 b\r\n';
    expect(chooseTarget(text, ['a'])).toMatchObject({
      target: { line: 2, framingConfig: 'x' },
      malformed: [],
    });
    expect(chooseTarget(text, ['b'])).toMatchObject({ target: { line: 3, peer: 'tcp://b:2' } });
  });
});

describe('malformed lines', () => {
  test.each([
    ['a blank one', ''],
    ['spaces', '  \t '],
    ['a CR', '\r'],
    ['a peer alone', 'tcp://a:1'],
    ['a peer alone, with a space behind it', 'tcp://a:1 '],
    ['a byte order mark that is not the first character', '\ufeff'],
  ])('%s is counted and passed over', (_what, line) => {
    expect(chooseTarget(`tcp://x:1 x\n${line}\ntcp://a:1 a`, ['a'])).toEqual({
      target: expect.objectContaining({ line: 3 }),
      malformed: [2],
      malformedCount: 1,
    });
  });

  test('are counted behind the line that is taken, too', () => {
    expect(chooseTarget('tcp://a:1 a\nb\ntcp://c:1 a\nd', ['a'])).toMatchObject({
      target: { line: 1 },
      malformed: [2, 4],
    });
  });

  test.each(['# x', ';x', '  # x', '\t; x', '#', ';', '#\r'])('do not include the comment %j', (line) => {
    expect(chooseTarget(line, [])).toEqual({ target: undefined, malformed: [], malformedCount: 0 });
  });

  test('are five by number, and the rest by count', () => {
    expect(chooseTarget('x\n'.repeat(5), [])).toMatchObject({
      malformed: [1, 2, 3, 4, 5],
      malformedCount: 5,
    });
    expect(chooseTarget('x\n'.repeat(1000), [])).toMatchObject({
      malformed: [1, 2, 3, 4, 5],
      malformedCount: 1000,
    });
  });

  test('cost no more than their length', () => {
    const begun = performance.now();
    for (const piece of [' ', 'a', '\n', 'a ', '\r', ' a']) chooseTarget(piece.repeat(500_000), ['p']);
    chooseTarget(`a b${' '.repeat(1_000_000)}\x00`, ['p']);
    expect(performance.now() - begun).toBeLessThan(5000);
  });
});

test(`whatever stands in the file, the choice is a line of it (TEST_SEED=${SEED})`, () => {
  const pieces = ['tcp://a:1', ' ', '\t', '\n', '\r\n', '#', ';', 'p', 'q', '*', 'auto', '\0', 'é'];
  const offered = fc.subarray(['p', 'q', 'r']);
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 40 }), offered, (parts, offers) => {
      const text = parts.join('');
      const { target, malformedCount } = chooseTarget(text, offers);
      expect(malformedCount).toBeLessThanOrEqual(text.split('\n').length);
      if (target === undefined) return;
      const words = text
        .split('\n')
        [target.line - 1]!.trim()
        .split(/[ \t]+/);
      expect(words).toContain(target.peer);
      if (offers.length > 0) expect(offers).toContain(target.subprotocol);
      else expect(target.subprotocol).toBeUndefined();
    }),
    { ...SEEDED, numRuns: 3000 },
  );
});
