/**
 * The backend `file`: the lines of a target file against a plain reading of them, and the expressions, of which no client can
 * make a name that leads out of the folder.
 *
 * The input is three texts with a byte 0xFE between them: a file, an expression, and what a client sends.
 */
import { posix } from 'node:path';
import fc from 'fast-check';
import { type Expression, parseExpression, type Source } from '../../../src/plugins/backends/expression.ts';
import { chooseTarget } from '../../../src/plugins/backends/target-lines.ts';
import { concat, latin1, utf8 } from '../../support/bytes.ts';
import { insist, insistSame, latin1Of, type Target } from '../target.ts';

const BETWEEN = '\xfe';
const OFFERS = [[], ['chat'], ['b', 'chat']];

/** Line by line, field by field, as docs/backends.md tells it. */
function plainly(text: string, offers: readonly string[]): unknown {
  const lines = text.replace(/^\ufeff/, '').split('\n');
  if (lines.at(-1) === '') lines.pop();
  const malformed: number[] = [];
  let target: unknown;
  for (const [index, raw] of lines.entries()) {
    const line = raw.replace(/\r$/, '').replace(/^[ \t]+/, '');
    if (line.startsWith('#') || line.startsWith(';')) continue;
    const fields = line.split(/[ \t]+/).filter((field) => field !== '');
    const [peer, wanted, framing] = fields;
    if (wanted === undefined) {
      malformed.push(index + 1);
      continue;
    }
    if (target !== undefined) continue;
    const subprotocol = wanted === '*' ? offers[0] : offers.find((offer) => offer === wanted);
    if (subprotocol === undefined && offers.length > 0) continue;
    const framingConfig = fields.length < 4 ? undefined : behindFields(line, 3);
    target = { line: index + 1, peer, subprotocol, framing, framingConfig };
  }
  return { target, malformed: malformed.slice(0, 5), malformedCount: malformed.length };
}

/** The rest of a line behind so many fields. */
function behindFields(line: string, count: number): string {
  let rest = line;
  for (let i = 0; i < count; i += 1) {
    rest = rest.slice(rest.split(/[ \t]/, 1)[0]!.length);
    while (/^[ \t]/.test(rest)) rest = rest.slice(1);
  }
  while (/[ \t]$/.test(rest)) rest = rest.slice(0, -1);
  return rest;
}

function read(text: string): Expression | undefined {
  try {
    return parseExpression(text);
  } catch (error) {
    const told = error instanceof Error && (error as { option?: unknown }).option === 'expression';
    if (!told) throw error;
    return undefined;
  }
}

function judgeName(name: string): void {
  insist(name !== '' && !name.includes('\0'), `the name ${JSON.stringify(name)}`);
  const inside = posix.join('/folder', name);
  insist(inside === `/folder/${name}`, `the name ${JSON.stringify(name)} means ${inside}`);
}

/** A client that sends the same thing wherever it can. */
function sourceOf(sent: string): Source {
  return {
    target: `/${sent}`,
    cookies: new Map([['a', sent]]),
    headers: new Map([['a', sent]]),
  };
}

const FIELDS = [
  'tcp://a:1',
  'echo://',
  '*',
  'chat',
  'b',
  'separator',
  '\\r\\n',
  '#',
  ';',
  'x y',
  '%',
  '\ufeff',
];
const BLANKS = [' ', '\t', '  ', '\n', '\r\n', '\n\n', '\r', ' \r\n', '\v', '\u00a0'];
const PERCENTS = [
  '%endpoint%',
  '%cookie:a%',
  '%header:A%',
  '%cookie:b%',
  '%%',
  '%',
  '/',
  '.',
  '..',
  'x',
  '%x%',
  '\0',
];
const SENT = ['..', '.', '/', '../', '%2e%2e', 'x', '\\', '\0', '\xc3\xa9', '\xff', '\r\n', '/etc/passwd'];

const some = (parts: readonly string[], maxLength: number) =>
  fc.array(fc.constantFrom(...parts), { maxLength }).map((chosen) => chosen.join(''));

export const targetFiles: Target = {
  name: 'target-files',
  about: "the file backend's lines against a plain reading, and names that stay inside of the folder",
  inputs: fc
    .tuple(some([...FIELDS, ...BLANKS, ...BLANKS], 20), some(PERCENTS, 5), some(SENT, 4))
    .map(([file, expression, sent]) =>
      concat(utf8(file), latin1(BETWEEN), utf8(expression), latin1(BETWEEN), latin1(sent)),
    ),
  words: [
    BETWEEN,
    ...FIELDS.map((field) => Buffer.from(field).toString('latin1')),
    ...PERCENTS,
    ...SENT,
    '\n',
    '\t',
  ],
  run(input) {
    const [file = '', expression = '', sent = ''] = latin1Of(input).split(BETWEEN);
    const text = Buffer.from(file, 'latin1').toString('utf8');
    for (const offers of OFFERS)
      insistSame(chooseTarget(text, offers), plainly(text, offers), 'the lines give');
    const name = read(Buffer.from(expression, 'latin1').toString('utf8'))?.(sourceOf(sent));
    if (name !== undefined) judgeName(name);
  },
};
