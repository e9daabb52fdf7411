/** What the programs in JavaScript have in common: their arguments, and the one line that they print. */
import { runScenario } from './scenario.mjs';

/** What the orchestrator asks for: see README.md. */
export function parseArguments() {
  const [command, url, compression, ...args] = process.argv.slice(2);
  return { command, url, compression, args };
}

/** Prints the result, which is the last thing that a program does. */
export function report(result) {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

/**
 * A client with nothing but the interface that browsers have, which offers what it offers, whatever one would like.
 *
 * @param {typeof WebSocket} WebSocket its class.
 * @param {string} version of the library.
 */
export async function runBrowserLike(WebSocket, version) {
  const { command, url, compression, args } = parseArguments();
  if (command === 'version') return report({ version });
  if (!['off', 'on'].includes(compression))
    return report({ unsupported: 'its API does not choose parameters' });
  const result = await runScenario((protocols) => new WebSocket(url, protocols), command, args);
  // undici 6 has a limit that cannot be changed.
  if (result.error?.includes('Max decompressed message size exceeded'))
    return report({ unsupported: 'it inflates no message of more than 4 MiB' });
  report(result);
}
