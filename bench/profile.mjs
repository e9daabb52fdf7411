// `npm run bench -- --profile DIR`: for each test the daemon under its load, V8's CPU profile of some seconds of it, and
// a flame graph. Nothing is compared: a daemon that is profiled is slower than it is.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { websocksy } from './contenders.mjs';
import { flameGraph, fold } from './flame.mjs';
import { WARM_UP, withBridge } from './measure.mjs';
import { mainThreadSeconds } from './proc.mjs';
import { NAMES, TESTS } from './tests.mjs';

const HOOK = new URL('profile-hook.mjs', import.meta.url).href;
/** Seconds until the profile must have been written. */
const PATIENCE = 30;

/** Memory of connections that do nothing has no profile. */
export const PROFILED = NAMES.filter((name) => TESTS[name].client !== 'idle');

/** Profiles the tests of these names into a folder, and says what it wrote. */
export async function profiles(names, folder, tools, say) {
  mkdirSync(folder, { recursive: true });
  for (const name of names) {
    const file = resolve(folder, `${name}.cpuprofile`);
    const { profile, busy } = await profileOf(TESTS[name], join(tools.folder, `${name}.cpuprofile`), tools);
    writeFileSync(file, JSON.stringify(profile));
    const svg = join(folder, `${name}.svg`);
    const node = process.versions.node;
    writeFileSync(svg, flameGraph(fold(profile, busy), `${name}: where the CPU time goes (Node ${node})`));
    say(`${svg}  ${Math.round(readFileSync(svg).length / 1024)} KiB`);
  }
}

async function profileOf(test, file, tools) {
  const contender = websocksy({ node: ['--import', HOOK], env: { WEBSOCKSY_BENCH_PROFILE: file } });
  return withBridge(test, contender, tools, async ({ peer, bridge, connect }) => {
    const client = connect(test.connections, test.size, test.depth);
    await client.next();
    await sleep(WARM_UP * 1000);
    const from = toggled(bridge.pid);
    await sleep(tools.time * 1000);
    const to = toggled(bridge.pid);
    for (const begin = Date.now(); !existsSync(file); await sleep(50))
      if (Date.now() - begin > PATIENCE * 1000) throw new Error('the daemon wrote no profile');
    // That everything that came through was right is known only from their answers.
    await Promise.all([peer.counters(), client.counters()]);
    return {
      profile: JSON.parse(readFileSync(file, 'utf8')),
      busy: (to.cpu - from.cpu) / (to.at - from.at),
    };
  });
}

/** Starts or stops the profiler: when that was, and the CPU time that the thread of JavaScript had used. */
function toggled(pid) {
  const cpu = mainThreadSeconds(pid);
  const at = performance.now() / 1000;
  process.kill(pid, 'SIGUSR2');
  return { cpu, at };
}
