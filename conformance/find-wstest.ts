/** Finds the suite's program, in the order that the help states, and installs it where there is none. */
import { execute } from './execute.ts';
import { defaultInstallFolder, environmentFolder, installWstest, wstestIn } from './install-wstest.ts';
import { Problem } from './problem.ts';

export interface Wstest {
  /**
   * The command for a run whose files are all in one folder. It has the folder so that a container can be given it,
   * under the same name.
   */
  command(folder: string): [string, ...string[]];
  /** Where it comes from, for people. */
  readonly origin: string;
  /** Its own words: `AutobahnTestSuite 0.8.2, Autobahn 0.10.9`. */
  readonly version: string;
}

/** The release of the image that has the version which we install. */
const IMAGE = 'crossbario/autobahn-testsuite:0.8.2';

const LOOK_TIMEOUT = 60_000;
/** The first one loads the image. */
const IMAGE_TIMEOUT = 600_000;

/** @throws Problem that says all the ways, and why each is closed */
export async function findWstest(
  env: NodeJS.ProcessEnv,
  installFolder: string = defaultInstallFolder(env),
  note: (line: string) => void = () => {},
): Promise<Wstest> {
  const named = env['WSTEST'];
  // Who names one means that one: no other is looked for.
  if (named) return program([named], '$WSTEST', env);

  const tried: string[] = [];
  const attempt = async (way: string, find: () => Promise<Wstest>): Promise<Wstest | undefined> => {
    try {
      return await find();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      tried.push(`${way}: ${error.message.replaceAll('\n', '\n    ')}`);
      return undefined;
    }
  };
  const installed = async () => {
    const inEnvironment = () =>
      program(wstestIn(environmentFolder(installFolder)), 'installed by this runner', env);
    const before = await attempt('the one installed before', inEnvironment);
    if (before !== undefined) return before;
    await installWstest(installFolder, env, note);
    return inEnvironment();
  };
  const found =
    (await attempt('wstest on the PATH', () => program(['wstest'], 'on the PATH', env))) ??
    (await attempt('installing it', installed)) ??
    (await attempt('its container image', () => image(env)));
  if (found !== undefined) return found;
  throw new Problem(
    `there is no wstest, and no way to one is open:\n${[
      '$WSTEST: not set; it would be the path of the program',
      ...tried,
    ]
      .map((line) => `  ${line}`)
      .join('\n')}`,
  );
}

async function program(argv: [string, ...string[]], origin: string, env: NodeJS.ProcessEnv): Promise<Wstest> {
  return { command: () => argv, origin, version: await versionOf(argv, env, LOOK_TIMEOUT) };
}

async function image(env: NodeJS.ProcessEnv): Promise<Wstest> {
  // The command alone says nothing: it may be there without the service.
  const { ok, stdout, why } = await execute(['docker', 'info', '--format', '{{.ServerVersion}}'], {
    env,
    timeout: LOOK_TIMEOUT,
  });
  if (!ok || stdout.trim() === '') throw new Problem(`docker does not run: ${why}`);
  const run = (...more: string[]): [string, ...string[]] => [
    ...(['docker', 'run', '--rm', '--init', '--network', 'host', '--env', 'PYTHONUNBUFFERED=1'] as const),
    ...more,
    IMAGE,
    'wstest',
  ];
  const version = await versionOf(run(), env, IMAGE_TIMEOUT);
  const user = process.getuid === undefined ? [] : ['--user', `${process.getuid()}:${process.getgid?.()}`];
  return {
    command: (folder) => run(...user, '--volume', `${folder}:${folder}`),
    origin: `the container image ${IMAGE}`,
    version,
  };
}

async function versionOf(
  argv: [string, ...string[]],
  env: NodeJS.ProcessEnv,
  timeout: number,
): Promise<string> {
  const { ok, stdout, why } = await execute([...argv, '--autobahnversion'], { env, timeout });
  if (!ok) throw new Problem(`${argv[0]}: ${why}`);
  const lines = stdout.split('\n').filter((line) => /^Autobahn\w* \d/.test(line));
  if (lines.length !== 2)
    throw new Problem(`${argv[0]} is not wstest: --autobahnversion says ${stdout.trim()}`);
  return lines.reverse().join(', ');
}
