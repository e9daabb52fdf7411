import { testClient } from './interop.ts';
import { sources } from './program.ts';

testClient({
  name: 'ws',
  install: async () => ({ command: [process.execPath, sources('javascript/ws.mjs')] }), // a development dependency
});
