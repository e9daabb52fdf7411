// `npm run soak -- --prove`: short soaks of a daemon that leaks one kind of thing. Each has to fail, by what leaks.
import { Verdict } from '../load/verdict.mjs';
import { soak } from './soak.mjs';
import { verdictOf } from './verdict.mjs';

/** What leaks, and by which test that must show. */
const LEAKS = {
  heap: 'memory at rest does not rise: heap',
  buffers: 'memory at rest does not rise: outside of the heap, array buffers',
  descriptors: 'as before at each rest: open descriptors',
  timers: 'as before at each rest: timers',
  listeners: 'as before at each rest: listeners of the process',
  slabs: 'as before at each rest: slabs that are lent',
};

/** s of each; and s until what does not come back is given up, which is what the leaks do. */
const SECONDS = 15;
const PATIENCE = 1;

export async function prove(options, say) {
  const verdict = new Verdict();
  for (const [leak, name] of Object.entries(LEAKS)) {
    if (leak === 'slabs' && options.kernel === 'off') continue;
    say(`a daemon that leaks ${leak}`);
    const failures = verdictOf(
      await soak({ ...options, leak, seconds: SECONDS, patience: PATIENCE }, say),
    ).failures();
    verdict.check(`a leak of ${leak} is found`, failures.includes(name), failures.join('; '));
  }
  return verdict;
}
