/** The ways to wstest, in their order, with programs of our own on a PATH of our own. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findWstest } from '../../conformance/find-wstest.ts';
import { environmentFolder } from '../../conformance/install-wstest.ts';

let folder: string;
let bin: string;
let installFolder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'websocksy-test-'));
  bin = join(folder, 'bin');
  installFolder = join(folder, 'cache');
  mkdirSync(bin);
  for (const tool of ['mkdir', 'chmod']) program(tool, `exec /bin/${tool} "$@"`);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Nothing of the machine's own is found. */
const env = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({ PATH: bin, HOME: folder, ...more });
const find = (more?: NodeJS.ProcessEnv) => findWstest(env(more), installFolder);

function program(name: string, lines: string, where = bin): string {
  const file = join(where, name);
  writeFileSync(file, `#!/bin/sh\n${lines}\n`);
  chmodSync(file, 0o755);
  return file;
}

const VERSIONS = (n: number) => `echo 'Autobahn 0.${n}'; echo 'AutobahnTestSuite 1.${n}'`;

/**
 * Stand-ins for Python 3 and 2.7: they make the files of an environment in their places, and write down what they were
 * asked to do.
 */
function fakePythons(): void {
  const journal = `echo "$0 $*" >> ${join(folder, 'journal')}`;
  const python2 = join(bin, 'python2.7');
  program('python2.7', `case "$*" in *version_info*) echo "CPython 2.7 ${python2}";; *) ${journal};; esac`);
  const inside = `#!/bin/sh\\n${journal}\\ncase "$*" in *autobahnversion*) ${VERSIONS(3)};; esac\\n`;
  program(
    'python3',
    `${journal}
case "$*" in
*virtualenv\\ --quiet*)
  for last; do :; done
  mkdir -p "$last/bin"
  printf '${inside.replaceAll("'", `'"'"'`)}' > "$last/bin/python"
  chmod +x "$last/bin/python"
  : > "$last/bin/wstest";;
esac`,
  );
}

describe('wstest is', () => {
  test('what $WSTEST says, before the one on the PATH', async () => {
    program('wstest', VERSIONS(1));
    const mine = program('mine', VERSIONS(2));
    const found = await find({ WSTEST: mine });
    expect(found.command('/any')).toEqual([mine]);
    expect(found).toMatchObject({ origin: '$WSTEST', version: 'AutobahnTestSuite 1.2, Autobahn 0.2' });
  });

  test('nothing else if $WSTEST is none', async () => {
    program('wstest', VERSIONS(1));
    await expect(find({ WSTEST: join(bin, 'none') })).rejects.toThrow(/none: not there$/);
    await expect(find({ WSTEST: program('other', 'echo hello') })).rejects.toThrow(/is not wstest.*hello/);
  });

  test('the one on the PATH', async () => {
    program('wstest', VERSIONS(1));
    expect(await find()).toMatchObject({
      origin: 'on the PATH',
      version: 'AutobahnTestSuite 1.1, Autobahn 0.1',
    });
    expect(existsSync(installFolder)).toBe(false);
  });

  test('installed if the one on the PATH does not work, and found there the next time', async () => {
    program('wstest', 'echo no module; exit 1');
    fakePythons();
    const place = environmentFolder(installFolder);
    const found = await find();
    expect(found.command('/any')).toEqual([join(place, 'bin/python'), join(place, 'bin/wstest')]);
    expect(found.version).toBe('AutobahnTestSuite 1.3, Autobahn 0.3');
    // Nothing is left beside it.
    expect(readdirSync(installFolder)).toEqual([place.slice(installFolder.length + 1)]);
    const journal = () => readFileSync(join(folder, 'journal'), 'utf8');
    expect(journal().match(/pip .*install .*requirements\.txt/g)).toHaveLength(2);

    for (const python of ['python2.7', 'python3']) rmSync(join(bin, python));
    expect((await find()).command('/any')).toEqual(found.command('/any'));
    expect(journal().match(/pip .*install .*requirements\.txt/g)).toHaveLength(2);
  });

  test('installed anew in the place of one that does not work', async () => {
    fakePythons();
    const place = join(environmentFolder(installFolder), 'bin');
    mkdirSync(place, { recursive: true });
    program('python', 'exit 1', place);
    expect((await find()).version).toBe('AutobahnTestSuite 1.3, Autobahn 0.3');
  });

  test('not installed by halves', async () => {
    fakePythons();
    const broken = readFileSync(join(bin, 'python3'), 'utf8').replace(': > "$last/bin/wstest"', 'exit 1');
    writeFileSync(join(bin, 'python3'), broken);
    await expect(find()).rejects.toThrow('installing the environment: failed (1)');
    expect(readdirSync(installFolder)).toEqual([]);
  });

  test('installed with the latest 2.7 that pyenv has, if the one on the PATH is only a shim', async () => {
    fakePythons();
    const prefix = join(folder, '2.7.18');
    mkdirSync(join(prefix, 'bin'), { recursive: true });
    program('python2.7', `echo "CPython 2.7 ${join(prefix, 'bin/python2.7')}"`, join(prefix, 'bin'));
    program('python2.7', 'echo "pyenv: python2.7: command not found" >&2; exit 127');
    program(
      'pyenv',
      `case "$*" in 'versions --bare') printf '2.7.9\\n2.7.18\\n3.11.7\\n';; 'prefix 2.7.18') echo '${prefix}';; *) exit 1;; esac`,
    );
    await find();
    expect(readFileSync(join(folder, 'journal'), 'utf8')).toContain(`-p ${join(prefix, 'bin/python2.7')} `);
  });

  test('in the container image where docker runs', async () => {
    program('docker', `case "$1" in info) echo 28.2.2;; run) ${VERSIONS(4)};; esac`);
    const found = await find();
    expect(found.version).toBe('AutobahnTestSuite 1.4, Autobahn 0.4');
    const command = found.command('/the/folder').join(' ');
    expect(command).toMatch(/^docker run --rm --init --network host .*--volume \/the\/folder:\/the\/folder /);
    expect(command).toMatch(/ crossbario\/autobahn-testsuite:\S+ wstest$/);
  });

  test('not to be had, and why is said of each way', async () => {
    // The command without its service says nothing, and that it succeeds says nothing either.
    program('docker', 'exit 0');
    const message = await find().then(
      () => '',
      (error: Error) => error.message,
    );
    expect(message.split('\n').map((line) => line.trim().split(':')[0])).toEqual(
      expect.arrayContaining(['$WSTEST', 'wstest on the PATH', 'installing it', 'its container image']),
    );
    expect(message).toContain('no CPython 2.7, neither python2.7 on the PATH nor a 2.7 under pyenv');
    expect(message).toContain('docker does not run');
  });
});
