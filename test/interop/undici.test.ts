import { testClient } from './interop.ts';
import { sources } from './program.ts';

testClient({
  name: 'undici',
  install: async () => ({ command: [process.execPath, sources('javascript/undici.mjs')] }), // a development dependency
});
