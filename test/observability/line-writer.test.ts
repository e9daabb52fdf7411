/** The log of a reader that sleeps: bounded, and honest about it. */
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { createLineWriter } from '../../src/observability/line-writer.ts';

const MIB = 1024 * 1024;

async function readAll(stream: PassThrough): Promise<string> {
  stream.end();
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

test('lines that are read all come, in order', async () => {
  const stream = new PassThrough();
  const write = createLineWriter(stream);
  for (let i = 0; i < 100; i += 1) write(`line ${i}\n`);
  const text = await readAll(stream);
  expect(text.split('\n').slice(0, -1)).toEqual(Array.from({ length: 100 }, (_, i) => `line ${i}`));
});

test('lines that nobody reads wait up to a bound, then they are lost, counted and told of', async () => {
  const stream = new PassThrough();
  const write = createLineWriter(stream);
  const line = `${'x'.repeat(999)}\n`;
  for (let i = 0; i < 5_000; i += 1) write(line);
  expect(stream.writableLength).toBeGreaterThan(MIB);
  expect(stream.writableLength).toBeLessThan(MIB + 2 * line.length);
  let text = '';
  stream.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  await new Promise((resolve) => stream.once('drain', resolve));
  write('after\n');
  await new Promise((resolve) => stream.end(resolve));
  const told = /^\S+ warn {2}log lines lost, for they are read too slowly lines=(\d+)\nafter\n$/m.exec(text);
  const kept = text.split('\n').filter((each) => each.startsWith('x')).length;
  expect(kept + Number(told?.[1])).toBe(5_000);
  expect(kept).toBeGreaterThan(1_000);
});

test('lines lost to a reader that is slow and never done are told of in between', () => {
  const stream = new PassThrough();
  const write = createLineWriter(stream);
  const line = `${'x'.repeat(999)}\n`;
  for (let i = 0; i < 2_000; i += 1) write(line);
  let text = '';
  // Half of it is read, and it never runs dry.
  while (stream.writableLength + stream.readableLength > MIB / 2)
    text += String(stream.read(10_000) ?? stream.read());
  for (let i = 0; i < 10; i += 1) write('after\n');
  stream.end();
  for (let piece = stream.read(); piece !== null; piece = stream.read()) text += String(piece);
  expect(text).toMatch(/log lines lost, for they are read too slowly lines=\d{3}\nafter\n/);
  expect(text.match(/lost/g)).toHaveLength(1);
});
