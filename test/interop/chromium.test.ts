import { testClient } from './interop.ts';
import { installPackage, isThere, sources } from './program.ts';

testClient({
  name: 'Chromium',
  install: async () => {
    if (!(await isThere('chromium'))) await installPackage('chromium');
    const command = [process.execPath, sources('javascript/chromium.mjs')];
    return { command, env: { INTEROP_CHROMIUM: 'chromium' } };
  },
});
