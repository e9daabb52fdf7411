/**
 * Writes the log's lines to a stream that somebody may not read: a pipe whose reader sleeps. What it does not take waits
 * in memory, up to a bound; then lines are lost, counted, and told of as soon as there is room. Clients decide how many
 * lines there are, so there has to be a bound.
 */
import type { Writable } from 'node:stream';

/** 1 MiB: some ten thousand lines. */
const MOST_WAITING = 1024 * 1024;

/** @returns what takes one line, line feed included */
export function createLineWriter(stream: Writable): (line: string) => void {
  let lost = 0;
  stream.on('drain', () => {
    if (lost === 0) return;
    const count = lost;
    lost = 0;
    stream.write(`${new Date().toISOString()} warn  log lines lost, since nobody read them lines=${count}\n`);
  });
  return (line) => {
    if (stream.writableLength > MOST_WAITING) lost += 1;
    else stream.write(line);
  };
}
