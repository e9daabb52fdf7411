import { buildGo } from './go-program.ts';
import { testClient } from './interop.ts';

testClient({ name: 'coder/websocket (Go)', install: () => buildGo('coder') });
