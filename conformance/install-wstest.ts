/**
 * Installs wstest from its pinned requirements into a virtual environment of CPython 2.7, once.
 *
 * The environment is made beside its place and moved there when it is complete, so that one which a failed or stopped
 * run left behind is never taken for a good one. Its place is named after the requirements: new ones make a new
 * environment.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { execute } from './execute.ts';
import { Problem } from './problem.ts';
import { inProject, readProjectFile } from './project.ts';

const REQUIREMENTS = 'conformance/requirements.txt';

/** Some packages are compiled; on a slow machine that takes minutes. */
const STEP_TIMEOUT = 600_000;
const LOOK_TIMEOUT = 30_000;

/** Where the environment is, or would be. */
export function environmentFolder(base: string): string {
  const hash = createHash('sha256').update(readProjectFile(REQUIREMENTS)).digest('hex').slice(0, 12);
  return join(base, `wstest-${hash}`);
}

/** Below the user's folder for what can be made again. */
export function defaultInstallFolder(env: NodeJS.ProcessEnv): string {
  return join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'websocksy-conformance');
}

/** wstest in an environment, as its interpreter and the script: the script's first line names where it was made. */
export function wstestIn(folder: string): [string, string] {
  return [join(folder, 'bin/python'), join(folder, 'bin/wstest')];
}

/**
 * Makes the environment, in place of one that does not work.
 *
 * @param note is told what is going on, since it takes a minute
 * @throws Problem that says what is missing or has failed
 */
export async function installWstest(
  base: string,
  env: NodeJS.ProcessEnv,
  note: (line: string) => void,
): Promise<void> {
  const python2 = await findPython2(env);
  const python3 = await findPython3(env);
  const place = environmentFolder(base);
  note(`installing wstest with ${python2} into ${place}`);
  let scratch: string;
  try {
    mkdirSync(base, { recursive: true });
    scratch = mkdtempSync(join(base, 'installing-'));
  } catch (error) {
    throw new Problem(`cannot write to ${base}: ${(error as Error).message}`);
  }
  try {
    if (existsSync(place)) renameSync(place, join(scratch, 'broken'));
    const tools = join(scratch, 'tools');
    const made = join(scratch, 'environment');
    const requirements = ['-r', inProject(REQUIREMENTS)];
    const pip = ['-m', 'pip', '--disable-pip-version-check', 'install', '--quiet'];
    await step('virtualenv', [python3, ...pip, '--target', tools, ...requirements], env);
    await step('the environment', [python3, '-m', 'virtualenv', '--quiet', '-p', python2, made], {
      ...env,
      PYTHONPATH: tools,
    });
    await step('wstest', [join(made, 'bin/python'), ...pip, ...requirements], env);
    moveInto(place, made);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function moveInto(place: string, made: string): void {
  try {
    renameSync(made, place);
  } catch (error) {
    // Another run was faster, and what it made is as good.
    if (!existsSync(wstestIn(place)[1]))
      throw new Problem(`cannot make ${place}: ${(error as Error).message}`);
  }
}

async function step(what: string, command: [string, ...string[]], env: NodeJS.ProcessEnv): Promise<void> {
  const { ok, why } = await execute(command, { env, timeout: STEP_TIMEOUT });
  if (!ok) throw new Problem(`installing ${what}: ${why}`);
}

/**
 * The path of a CPython 2.7, which is asked itself: a `python2.7` on the PATH may be a shim that only says that another
 * version is chosen.
 */
async function findPython2(env: NodeJS.ProcessEnv): Promise<string> {
  for (const candidate of ['python2.7', ...(await pyenvPythons(env))]) {
    const { ok, stdout } = await execute(
      [
        candidate,
        '-c',
        'import platform, sys; print(platform.python_implementation() + " %d.%d " % sys.version_info[:2] + sys.executable)',
      ],
      { env, timeout: LOOK_TIMEOUT },
    );
    const [, path] = /^CPython 2\.7 (.+)$/m.exec(stdout) ?? [];
    if (ok && path !== undefined) return path;
  }
  throw new Problem('no CPython 2.7, neither python2.7 on the PATH nor a 2.7 under pyenv');
}

/** Every Python 2.7 that pyenv has, the latest first. */
async function pyenvPythons(env: NodeJS.ProcessEnv): Promise<string[]> {
  const { stdout } = await execute(['pyenv', 'versions', '--bare'], { env, timeout: LOOK_TIMEOUT });
  const versions = stdout.split('\n').filter((version) => /^2\.7\.\d+$/.test(version));
  versions.sort((a, b) => Number(b.slice(4)) - Number(a.slice(4)));
  const prefixes = await Promise.all(
    versions.map((version) => execute(['pyenv', 'prefix', version], { env, timeout: LOOK_TIMEOUT })),
  );
  return prefixes.filter(({ ok }) => ok).map(({ stdout: prefix }) => join(prefix.trim(), 'bin/python2.7'));
}

async function findPython3(env: NodeJS.ProcessEnv): Promise<string> {
  const { ok } = await execute(['python3', '-m', 'pip', '--version'], { env, timeout: LOOK_TIMEOUT });
  if (!ok) throw new Problem('no python3 with pip, which makes the environment for Python 2.7');
  return 'python3';
}
