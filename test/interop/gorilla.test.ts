import { buildGo } from './go-program.ts';
import { testClient } from './interop.ts';

testClient({ name: 'gorilla/websocket (Go)', install: () => buildGo('gorilla') });
