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
  const tell = () => {
    if (lost === 0) return;
    const count = lost;
    lost = 0;
    stream.write(
      `${new Date().toISOString()} warn  log lines lost, for they are read too slowly lines=${count}\n`,
    );
  };
  // Where it comes to rest; a reader that is slow, and never done, is told in between.
  stream.on('drain', tell);
  return (line) => {
    const most = lost === 0 ? MOST_WAITING : MOST_WAITING / 2;
    if (stream.writableLength > most) {
      lost += 1;
    } else {
      tell();
      stream.write(line);
    }
  };
}
