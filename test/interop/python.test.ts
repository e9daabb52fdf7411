import { join } from 'node:path';
import { testClient } from './interop.ts';
import { cache, install, installPackage, isThere, sources } from './program.ts';

testClient({
  name: 'websockets (Python)',
  install: async () => {
    const environment = cache('python');
    const ready = ['python3', '-c', 'import ensurepip, venv'];
    if (!(await isThere('python3')) || !(await install(ready).catch(() => false)))
      await installPackage('python3-venv');
    await install(['python3', '-m', 'venv', environment]);
    const python = join(environment, 'bin/python');
    await install([python, '-m', 'pip', 'install', '--quiet', '-r', sources('python/requirements.txt')]);
    return { command: [python, sources('python/client.py')] };
  },
});
