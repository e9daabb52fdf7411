/** The client of undici, as a package. */
import { createRequire } from 'node:module';
import { WebSocket } from 'undici';
import { runBrowserLike } from './report.mjs';

await runBrowserLike(WebSocket, createRequire(import.meta.url)('undici/package.json').version);
