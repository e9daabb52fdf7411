/** "Did you mean": the known name that a mistyped one is closest to. */

/**
 * @returns the known name with the fewest edits (insert, delete, replace) to the given one, if they are at most two
 *   and fewer than the name's length; else undefined
 */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.min(3, name.length);
  for (const candidate of known) {
    // The length alone rules most of them out, and bounds the work for a long name.
    if (Math.abs(candidate.length - name.length) >= bestDistance) continue;
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** What to say of a name that is unknown: the nearest one, or else all that there are. */
export function suggest(name: string, known: readonly string[]): string {
  const guess = nearest(name, known);
  return guess === undefined ? `there are: ${known.join(', ')}` : `did you mean ${guess}?`;
}

/** Levenshtein's distance, one row of the table at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
