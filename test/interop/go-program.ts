/** The program of both clients in Go, built by the `go` that is there. */
import { join } from 'node:path';
import type { Program } from './interop.ts';
import { cache, install, sources } from './program.ts';

/** @param library whose client it is to be: `gorilla` or `coder` */
export async function buildGo(library: string): Promise<Program> {
  const executable = join(cache('go'), 'interop');
  await install(['go', 'build', '-o', executable, '.'], { cwd: sources('go') });
  return { command: [executable, library] };
}
