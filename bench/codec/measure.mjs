/**
 * Times cases against each other in one process: warmed up, in interleaved rounds, results checked.
 *
 * A case says what one run of it does:
 *
 *     part, name, size    what it is called: `decoder`, `Connection, binary`, in bytes (of one item)
 *     item                what is counted: a message, a head
 *     items, bytes        how many a run does, and of how many bytes
 *     prepare()           before each run, not timed: for instance masks again what the last run has unmasked
 *     run()               timed; answers with a number that depends on what was done
 *     expected            what `run` must answer. Undefined: any number above 0
 *     verify()            once, before anything is timed: throws if the results are not right byte for byte
 *
 * A run should take 100 µs or more, since reading the clocks takes 1 µs.
 */

/** Time for which a case runs before it is measured, in ms: until V8 has compiled it for good. */
const WARM_UP = 100;

/**
 * @param cases see above
 * @param rounds how often each case has its turn
 * @param time timed run time of each turn, in ms
 * @returns for each case the rounds: time and CPU time of an item, in ns
 */
export function measure(cases, rounds, time) {
  for (const each of cases) each.verify();
  for (const each of cases) turn(each, Math.min(WARM_UP, 2 * time));
  const results = cases.map(() => []);
  for (let round = 0; round < rounds; round += 1) {
    for (let i = 0; i < cases.length; i += 1) {
      // Each round begins elsewhere, so that nobody always follows the same one.
      const at = (i + round * 7) % cases.length;
      // Not to be paid by the next one: what the one before has left to be collected.
      globalThis.gc?.({ type: 'minor' });
      results[at].push(turn(cases[at], time));
    }
  }
  return results;
}

function turn({ part, name, items, expected, prepare, run }, time) {
  let runs = 0;
  let ns = 0;
  let cpu = 0;
  do {
    prepare?.();
    const cpuBefore = process.cpuUsage();
    const before = process.hrtime.bigint();
    const result = run();
    ns += Number(process.hrtime.bigint() - before);
    const { user, system } = process.cpuUsage(cpuBefore);
    cpu += (user + system) * 1000;
    runs += 1;
    if (expected === undefined ? !(result > 0) : result !== expected)
      throw new Error(`${part}, ${name}: the result is ${result}, not ${expected ?? 'above 0'}`);
  } while (ns < time * 1e6);
  return { ns: ns / runs / items, cpu: cpu / runs / items };
}
