import { join } from 'node:path';
import { testClient } from './interop.ts';
import { cache, install, sources } from './program.ts';

/** Each release line that the daemon runs on: every one brings another undici. */
const MAJORS = ['20', '22', '24', '26'];

/** The Node of a release line: the one that runs us, or one from npm. */
async function nodeOf(major: string): Promise<string> {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath;
  const folder = cache(`node-${major}`);
  const options = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts'];
  await install(['npm', 'install', '--prefix', folder, ...options, `node@${major}`]);
  // The package holds no program: its install script fetches it. npm may be set up not to run that, so we do.
  const cwd = join(folder, 'node_modules/node');
  const env = { ...process.env, npm_config_ignore_scripts: 'false' };
  await install([process.execPath, 'installArchSpecificPackage.js'], { cwd, env });
  return join(cwd, 'bin/node');
}

for (const major of MAJORS)
  testClient({
    name: `Node ${major}'s own`,
    install: async () => {
      const flags = major === '20' ? ['--experimental-websocket'] : []; // from 22 on it is there without
      return { command: [await nodeOf(major), ...flags, sources('javascript/node.mjs')] };
    },
  });
