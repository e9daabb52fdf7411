/**
 * Fuzzes one target in a thread of its own, so that run.ts can end what does not end by itself, and name the input: that
 * stands in memory that both see before it is tried.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { hex, hexOf } from '../support/bytes.ts';
import { Coverage } from './coverage.ts';
import { fuzz } from './fuzzer.ts';
import { findTarget } from './targets.ts';
import { VECTORS } from './vectors.ts';
import { describe, type Report, type Watched, type Work, watch } from './watch.ts';

const { name, seed, milliseconds, memory } = workerData as Work;
const target = findTarget(name)!;
const watched: Watched = watch(memory);
const until = Date.now() + milliseconds;
const coverage = new Coverage();
const { executions, kept, finding } = await fuzz(target, {
  seed,
  coverage,
  corpus: (VECTORS[name] ?? []).map(({ input }) => hex(input)),
  goOn: () => Date.now() < until,
  onInput: (input) => watched.note(input),
});
const report: Report = {
  executions,
  kept,
  reached: coverage.reached,
  ...(finding === undefined
    ? {}
    : { finding: { input: hexOf(finding.input), error: describe(finding.error) } }),
};
coverage.close();
parentPort!.postMessage(report);
