/**
 * Says which inputs lead to code that none before has reached, by V8's own precise coverage, block by block. What is kept of them
 * is what further inputs are made from, so that a search goes deeper than chance would.
 *
 * Only the code under test counts: the files of src. What the kernel does is not seen here.
 */
import { type Profiler, Session } from 'node:inspector';

const SRC = /\/src\/[^?]*\.js$/;

export class Coverage {
  readonly #session = new Session();
  /** By script and function: a byte for each character that was reached. */
  readonly #reached = new Map<string, Uint8Array>();
  #count = 0;

  /** Best made before what it is to see is called the first time. */
  constructor() {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: false, detailed: true });
  }

  /** Characters of source that were reached so far. */
  get reached(): number {
    return this.#count;
  }

  /** Whether anything new was reached since the last call. @param note false: it still counts as new the next time */
  grew(note = true): boolean {
    let grew = false;
    for (const { url, functions } of this.#take()) {
      if (!SRC.test(url)) continue;
      for (const { ranges } of functions) if (this.#merge(url, ranges, note)) grew = true;
    }
    return grew;
  }

  close(): void {
    this.#session.disconnect();
  }

  #take(): Profiler.ScriptCoverage[] {
    let result: Profiler.ScriptCoverage[] = [];
    // It calls back at once: the session is with this very thread.
    this.#session.post('Profiler.takePreciseCoverage', (error, coverage) => {
      if (error) throw error;
      result = coverage.result;
    });
    return result;
  }

  /** Ranges are nested: the first is the function, and each counts for what lies in no later one. */
  #merge(url: string, ranges: readonly Profiler.CoverageRange[], note: boolean): boolean {
    const { startOffset: base, endOffset } = ranges[0]!;
    const now = new Uint8Array(endOffset - base);
    for (const { startOffset, endOffset: end, count } of ranges)
      now.fill(count > 0 ? 1 : 0, startOffset - base, end - base);
    const key = `${url}:${base}`;
    const reached = this.#reached.get(key) ?? new Uint8Array(now.length);
    let fresh = 0;
    for (let at = 0; at < now.length; at += 1) {
      if (now[at] === 0 || reached[at] === 1) continue;
      fresh += 1;
      if (note) reached[at] = 1;
    }
    if (note) {
      this.#reached.set(key, reached);
      this.#count += fresh;
    }
    return fresh > 0;
  }
}
