/** The client that Node itself has: the undici of its release. */
import { runBrowserLike } from './report.mjs';

await runBrowserLike(globalThis.WebSocket, `${process.versions.node} (undici ${process.versions.undici})`);
