// What a soak says: each judged quantity is one test.
import { digits, mib, Verdict } from '../load/verdict.mjs';
import { COUNTS, MEMORY } from './quantities.mjs';
import { judge } from './slope.mjs';

const perSecond = (bytes) => `${digits(Math.round(bytes))} B/s`;

/** @param found what `soak` returned */
export function verdictOf({ busy, rests, astray, long, counts, problems, status, strange }) {
  const verdict = new Verdict();
  const sessions = Object.values(counts).reduce((sum, one) => sum + one, 0);
  const most = (name) => Math.max(...busy.map((one) => one[name]));
  verdict.figure('seconds, rests', `${digits(Math.round(rests.at(-1).at))}, ${rests.length}`);
  verdict.figure('sessions', `${digits(sessions)}, ${long} connections that stayed`);
  verdict.figure(
    'sessions by kind',
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(', '),
  );
  verdict.figure(
    'most at a time: connections, slabs, descriptors',
    ['connections', 'slabs', 'descriptors'].map(most).join(', '),
  );
  verdict.figure('most at a time: heap, resident', `${mib(most('heapUsed'))}, ${mib(most('rss'))}`);

  for (const { name, title, once } of MEMORY) {
    const points = rests.map((one) => ({ x: one.at, y: one[name] }));
    const { slope, least, most: upper, noise, tolerated, rises } = judge(points, once);
    const bounds = `slope ${perSecond(slope)}, certainly ${perSecond(least)} to ${perSecond(upper)}`;
    verdict.check(
      `memory at rest does not rise: ${title}`,
      !rises,
      `${bounds}; tolerated ${perSecond(tolerated)}; noise ${digits(Math.round(noise))} B; at the end ${mib(points.at(-1).y)}`,
    );
  }
  for (const { name, title } of COUNTS) {
    const wrong = astray[name];
    const seen = wrong ?? { now: rests.at(-1)[name] };
    const now = JSON.stringify(seen.now).replaceAll('"', '');
    verdict.check(
      `as before at each rest: ${title}`,
      wrong === undefined,
      wrong === undefined
        ? now
        : `${JSON.stringify(wrong.before)} became ${now} at ${Math.round(wrong.at)} s`,
    );
  }
  verdict.check('each session went as it has to', problems.length === 0 && sessions > 0, first(problems));
  verdict.check('the daemon ended with status 0 when told to', status === 0, status);
  verdict.check('the log tells of nothing unforeseen', strange.length === 0, first(strange));
  return verdict;
}

const first = (problems) =>
  problems.length === 0 ? '' : `${problems.length}: ${problems.slice(0, 3).join('; ')}`;
