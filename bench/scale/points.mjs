// Lines out of single measurements: each point's median over rounds in which all points take turns.
import { measure } from '../measure.mjs';
import { median } from '../report.mjs';

/**
 * `plan`: for each point its `series`, its `x`, a `test` (see tests.mjs) and a `contender`. `cost` makes the figure of a
 * result. Answers with series of points; a point that failed in a round says why, and has no figure.
 */
export async function lines(plan, { rounds, say, ...tools }, cost) {
  const results = plan.map(() => []);
  for (let round = 1; round <= rounds; round += 1)
    for (const [i, { series, x, test, contender }] of plan.entries()) {
      // Once: with so many points, rounds are worth more than tries.
      const result = await measure(test, contender, { ...tools, tries: 1 });
      results[i].push(result);
      const told = result.failed === undefined ? `${cost(result, x).toPrecision(3)}` : result.failed;
      say(`round ${round}  ${series}  ${x}: ${told}${result.noisy ? ', noisy' : ''}`);
    }
  const names = [...new Set(plan.map(({ series }) => series))];
  return names.map((name) => ({
    name,
    points: plan.flatMap(({ series, x }, i) => (series === name ? [point(x, results[i], cost)] : [])),
  }));
}

function point(x, results, cost) {
  const failed = results.find((one) => one.failed !== undefined)?.failed;
  if (failed !== undefined) return { x, failed };
  const noisy = results.filter((one) => one.noisy).length * 2 > results.length;
  return { x, y: median(results.map((one) => cost(one, x))), ...(noisy && { noisy }) };
}
