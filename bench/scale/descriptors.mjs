// How many connections the limit of open files allows.
import { mostFiles } from '../proc.mjs';

/** Files of a daemon for itself. A connection has two of them: the client's socket and the peer's. */
const OWN_FILES = 200;

/** The counts that can be had; instead of those beyond the limit the largest possible one, and a word about it. */
export function possible(part, counts, say) {
  const files = mostFiles();
  const largest = Math.min(counts.at(-1), Math.floor((files - OWN_FILES) / 2));
  if (largest < counts.at(-1)) {
    const needed = 2 * counts.at(-1) + OWN_FILES;
    say(
      `${part}: ${counts.at(-1)} connections need ${needed} open files, and "ulimit -Hn" is ${files}: ${largest} instead`,
    );
  }
  return [...counts.filter((one) => one < largest), largest];
}
