import { testClient } from './interop.ts';
import { sources } from './program.ts';

/** Node 20 has its WebSocket behind this; from 22 on it is there without. */
const FLAG = '--experimental-websocket';

testClient({
  name: "Node's own",
  install: async () => {
    const flags = process.versions.node.startsWith('20.') ? [FLAG] : [];
    return { command: [process.execPath, ...flags, sources('javascript/node.mjs')] };
  },
});
