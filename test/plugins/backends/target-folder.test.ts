/**
 * The folder of the target files: what is read, what is absent, what is an error, and that nothing outside is opened.
 *
 * Node's `open` is listened to, and a test can have something happen right before or after one of its calls, which is
 * how races are lost on purpose.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, realpathSync, writeFileSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { MAX_BYTES, TargetFolder } from '../../../src/plugins/backends/target-folder.ts';

type Hook = (path: string) => void | Promise<void>;
/** What the next look at a file finds, if it is not what is there. */
let deviceShift = 0n;
const hooks: { beforeOpen?: Hook; afterOpen?: Hook; afterRealpath?: Hook; afterRead?: Hook } = {};
const opened: string[] = [];
const handles = new Set<fs.FileHandle>();

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof fs>();
  return {
    ...real,
    async open(path: string, flags: number) {
      await hooks.beforeOpen?.(path);
      opened.push(path);
      const handle = await real.open(path, flags);
      handles.add(handle);
      const read = handle.read.bind(handle) as (...rest: unknown[]) => Promise<unknown>;
      const close = handle.close.bind(handle);
      Object.assign(handle, {
        close: () => {
          handles.delete(handle);
          return close();
        },
        read: async (...rest: unknown[]) => {
          const result = await read(...rest);
          await hooks.afterRead?.(path);
          return result;
        },
      });
      await hooks.afterOpen?.(path);
      return handle;
    },
    async stat(path: string, options: object) {
      const found = await real.stat(path, options);
      if (deviceShift > 0n) Object.assign(found, { dev: (found.dev as unknown as bigint) + deviceShift });
      deviceShift = 0n;
      return found;
    },
    async realpath(path: string) {
      const found = await real.realpath(path);
      await hooks.afterRealpath?.(path);
      return found;
    },
  };
});

/** The folder, and one beside it that holds what nobody may be given. */
let targets: string;
let outside: string;
let folder: TargetFolder;

beforeEach(async () => {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'targets-')));
  targets = join(base, 'targets');
  outside = join(base, 'targets-outside');
  await fs.mkdir(join(targets, 'sub'), { recursive: true });
  await fs.mkdir(outside);
  await fs.writeFile(join(targets, 'alice'), 'of alice');
  await fs.writeFile(join(targets, 'sub', 'bob'), 'of bob');
  await fs.writeFile(join(outside, 'secret'), 'secret');
  folder = await TargetFolder.open(targets);
  opened.length = 0;
});

afterEach(async () => {
  for (const name of Object.keys(hooks)) delete hooks[name as keyof typeof hooks];
  expect(
    opened.filter((path) => path !== targets && !path.startsWith(`${targets}/`)),
    'opened outside',
  ).toEqual([]);
  expect([...handles], 'left open').toEqual([]);
  await fs.rm(dirname(targets), { recursive: true });
});

const forever = new AbortController().signal;
const read = async (name: string) => (await folder.read(name, forever))?.text;

describe('the folder', () => {
  test('may have slashes at its end, and may be a link', async () => {
    await fs.symlink(targets, join(outside, 'link'));
    for (const path of [`${targets}/`, `${targets}//`, join(outside, 'link'), join(outside, 'link/')]) {
      const file = await (await TargetFolder.open(path)).read('alice', forever);
      expect(file?.text).toBe('of alice');
    }
  });

  test('counts from the working directory, as that is at the start', async () => {
    const here = await TargetFolder.open(relative(process.cwd(), targets));
    const cwd = process.cwd();
    onTestFinished(() => process.chdir(cwd));
    process.chdir(outside);
    expect(await here.read('alice', forever)).toMatchObject({
      text: 'of alice',
      path: join(targets, 'alice'),
    });
  });

  test('may be the root of the file system', async () => {
    const root = await TargetFolder.open('/');
    expect((await root.read(join(targets, 'alice').slice(1), forever))?.text).toBe('of alice');
  });

  test('must be there, and be a folder', async () => {
    await expect(TargetFolder.open(join(targets, 'none'))).rejects.toThrow(
      `there is no folder ${targets}/none`,
    );
    await expect(TargetFolder.open(join(targets, 'alice'))).rejects.toThrow(
      `${targets}/alice is not a folder`,
    );
    await expect(TargetFolder.open(join(targets, 'alice', 'x'))).rejects.toThrow(/there is no folder/);
  });

  test('that is gone is an error, not an absent file', async () => {
    await fs.rename(targets, `${targets}-moved`);
    await expect(read('alice')).rejects.toThrow(/there is no folder .* any more/);
    await fs.rename(`${targets}-moved`, targets);
    expect(await read('alice')).toBe('of alice');
  });

  test('may be a link that is switched over', async () => {
    const link = join(outside, 'current');
    await fs.symlink(targets, link);
    const switched = await TargetFolder.open(link);
    const next = join(targets, 'sub');
    await fs.symlink(next, join(outside, 'new'));
    await fs.rename(join(outside, 'new'), link);
    expect((await switched.read('bob', forever))?.text).toBe('of bob');
    expect(await switched.read('alice', forever)).toBeUndefined();
  });
});

describe('a file', () => {
  test('is read, also in a folder of the folder', async () => {
    expect(await read('alice')).toBe('of alice');
    expect(await read('sub/bob')).toBe('of bob');
  });

  test('is read anew each time, and its version tells of changes', async () => {
    const first = await folder.read('alice', forever);
    expect((await folder.read('alice', forever))?.version).toBe(first?.version);
    await fs.writeFile(join(targets, 'alice'), 'changed!');
    await fs.utimes(join(targets, 'alice'), 1, 1);
    const second = await folder.read('alice', forever);
    expect(second?.text).toBe('changed!');
    expect(second?.version).not.toBe(first?.version);
    await fs.appendFile(join(targets, 'alice'), '!');
    await fs.utimes(join(targets, 'alice'), 1, 1);
    const third = await folder.read('alice', forever);
    expect(third?.version).not.toBe(second?.version);
    // Another file of the same length and age.
    await fs.writeFile(join(targets, 'new'), 'replaced!');
    await fs.utimes(join(targets, 'new'), 1, 1);
    await fs.rename(join(targets, 'new'), join(targets, 'alice'));
    const fourth = await folder.read('alice', forever);
    expect([fourth?.text.length, fourth?.version === third?.version]).toEqual([third?.text.length, false]);
  });

  test.each(['zoë', 'a b', '%2e%2e', '..\\x', '...', '-', '\n', "a'b"])('may be called %j', async (name) => {
    await fs.writeFile(join(targets, name), name);
    expect(await read(name)).toBe(name);
  });

  test.each(['none', 'Alice', 'none/x', 'alice/x', 'sub', 'x'.repeat(256), `${'x/'.repeat(4000)}x`])(
    '%.20j is absent',
    async (name) => {
      expect(await read(name)).toBeUndefined();
    },
  );

  test('may be 1 MiB long and not a byte longer', async () => {
    const file = join(targets, 'long');
    await fs.writeFile(file, 'x'.repeat(MAX_BYTES));
    expect(MAX_BYTES).toBe(1_048_576);
    expect(await read('long')).toHaveLength(MAX_BYTES);
    await fs.appendFile(file, 'x');
    await expect(read('long')).rejects.toThrow(`${file} is larger than 1048576 bytes`);
  });

  test('that grows while it is read has the same bound', async () => {
    const file = join(targets, 'growing');
    await fs.writeFile(file, 'x');
    hooks.afterRead = () => writeFileSync(file, 'x'.repeat(100_000), { flag: 'a' });
    await expect(read('growing')).rejects.toThrow(/larger than/);
  });

  test('that is endless is not waited for', async () => {
    await fs.truncate(join(targets, 'alice'), 2 ** 40);
    await expect(read('alice')).rejects.toThrow(/larger than/);
  });

  test('keeps a character that lies across two reads', async () => {
    const text = `${'x'.repeat(16 * 1024 - 1)}é`;
    await fs.writeFile(join(targets, 'alice'), text);
    expect(await read('alice')).toBe(text);
  });

  test('must be UTF-8', async () => {
    await fs.writeFile(join(targets, 'alice'), Buffer.from('caf\xe9', 'latin1'));
    await expect(read('alice')).rejects.toThrow(`${targets}/alice is not UTF-8`);
  });
});

describe('what is no regular file', () => {
  test('a FIFO is refused without waiting for a writer', async () => {
    execFileSync('mkfifo', [join(targets, 'fifo')]);
    await expect(read('fifo')).rejects.toThrow(`${targets}/fifo is not a regular file`);
  });

  test('a socket is refused', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(targets, 'socket'), resolve));
    onTestFinished(() => void server.close());
    await expect(read('socket')).rejects.toThrow(/socket/);
  });

  test('a device is refused', async () => {
    const made = (() => {
      try {
        execFileSync('mknod', [join(targets, 'zero'), 'c', '1', '5'], { stdio: 'ignore' });
        return true;
      } catch {
        return false;
      }
    })();
    // Where only root may make one, and root may not either, the FIFO has shown the same.
    if (made) await expect(read('zero')).rejects.toThrow(/zero/);
  });

  test('a file that may not be read is an error', async () => {
    // Also for root, whom no mode stops.
    hooks.beforeOpen = () => {
      throw Object.assign(new Error('EACCES: permission denied, open'), { code: 'EACCES' });
    };
    await expect(read('alice')).rejects.toThrow('EACCES');
  });
});

describe('a link', () => {
  const link = (name: string, to: string) => fs.symlink(to, join(targets, name));

  test('that stays inside is followed', async () => {
    await link('carol', 'alice');
    await link('dave', join(targets, 'sub', 'bob'));
    await link('below', 'sub');
    await link('sub/up', '../alice');
    await link('around', '../targets/alice');
    expect(await read('carol')).toBe('of alice');
    expect(await read('dave')).toBe('of bob');
    expect(await read('below/bob')).toBe('of bob');
    expect(await read('sub/up')).toBe('of alice');
    expect(await read('around')).toBe('of alice');
  });

  test('as Kubernetes mounts a ConfigMap is followed', async () => {
    await fs.mkdir(join(targets, '..2026_01_01'));
    await fs.writeFile(join(targets, '..2026_01_01', 'erin'), 'of erin');
    await link('..data', '..2026_01_01');
    await link('erin', '..data/erin');
    expect(await read('erin')).toBe('of erin');
  });

  test.each([
    ['a file', 'x', 'x', () => join(outside, 'secret')],
    ['a file, by a relative path', 'x', 'x', () => '../targets-outside/secret'],
    ['a folder', 'x', 'x/secret', () => outside],
    ['a folder, asked for itself', 'x', 'x', () => outside],
    ['the folder above', 'x', 'x', () => '..'],
    ['a device', 'x', 'x', () => '/dev/zero'],
    ['the root', 'x', `x/etc/passwd`, () => '/'],
    ['what another link leads to', 'sub/x', 'sub/x', () => join(targets, 'out')],
  ])('that leads outside to %s is refused', async (_what, name, asked, to) => {
    await link('out', join(outside, 'secret'));
    await link(name, to());
    await expect(read(asked)).rejects.toThrow(
      new RegExp(`^${targets}/${asked} leads to /.*, which is outside of ${targets}$`),
    );
  });

  test('to the folder itself is a folder, and so no file', async () => {
    await link('self', '.');
    expect(await read('self')).toBeUndefined();
    expect(await read('self/alice')).toBe('of alice');
  });

  test('that leads nowhere is absent', async () => {
    await link('dangling', 'none');
    await link('far', '/none/at/all');
    expect(await read('dangling')).toBeUndefined();
    expect(await read('far')).toBeUndefined();
  });

  test('in a circle is an error', async () => {
    await link('a', 'b');
    await link('b', 'a');
    await expect(read('a')).rejects.toThrow(/ELOOP/);
  });
});

describe('a name that should never have come this far', () => {
  test.each([
    '../targets-outside/secret',
    '..',
    'sub/../../targets-outside/secret',
    '/../targets-outside/secret',
  ])('%s is refused', async (name) => {
    await expect(read(name)).rejects.toThrow(/outside of/);
  });

  test('with a NUL is refused', async () => {
    await expect(read('alice\0')).rejects.toThrow();
  });
});

describe('a change in between', () => {
  /** Calls back once, at the first call with this path. */
  const once = (wanted: string, change: () => Promise<unknown>): Hook => {
    let done = false;
    return async (path) => {
      if (done || path !== wanted) return;
      done = true;
      await change();
    };
  };
  const swap = async (name: string, to: string) => {
    await fs.rm(join(targets, name), { recursive: true });
    await fs.symlink(to, join(targets, name));
  };

  test('of the file for a link to the outside is noticed before anything is opened', async () => {
    hooks.beforeOpen = once(join(targets, 'alice'), () => swap('alice', join(outside, 'secret')));
    await expect(read('alice')).rejects.toThrow(/alice leads to .*secret, which is outside of/);
  });

  test('of its folder for a link to the outside is noticed before anything is read', async () => {
    await fs.writeFile(join(outside, 'bob'), 'secret');
    hooks.beforeOpen = once(join(targets, 'sub/bob'), () => swap('sub', outside));
    hooks.afterRead = () => expect.unreachable('read');
    await expect(read('sub/bob')).rejects.toThrow(/outside of/);
  });

  test('of its folder, there and back, is noticed before anything is read', async () => {
    await fs.writeFile(join(outside, 'bob'), 'secret');
    hooks.beforeOpen = once(join(targets, 'sub/bob'), async () => {
      await fs.rename(join(targets, 'sub'), join(targets, 'kept'));
      await fs.symlink(outside, join(targets, 'sub'));
    });
    hooks.afterOpen = once(join(targets, 'sub/bob'), async () => {
      await fs.rm(join(targets, 'sub'));
      await fs.rename(join(targets, 'kept'), join(targets, 'sub'));
    });
    expect(await read('sub/bob')).toBe('of bob');
    expect(opened).toHaveLength(2);
  });

  test('of a link for one to another file gives the other file', async () => {
    await fs.symlink('alice', join(targets, 'current'));
    hooks.afterOpen = once(join(targets, 'alice'), () => swap('current', 'sub/bob'));
    expect(await read('current')).toBe('of bob');
  });

  test('of a file for a newer one gives the newer one', async () => {
    hooks.afterOpen = once(join(targets, 'alice'), async () => {
      await fs.writeFile(join(targets, 'new'), 'newer');
      await fs.rename(join(targets, 'new'), join(targets, 'alice'));
    });
    expect(await read('alice')).toBe('newer');
  });

  test('that removes the file makes it absent', async () => {
    hooks.beforeOpen = once(join(targets, 'alice'), () => fs.rm(join(targets, 'alice')));
    expect(await read('alice')).toBeUndefined();
    hooks.afterOpen = once(join(targets, 'sub/bob'), () => fs.rm(join(targets, 'sub/bob')));
    expect(await read('sub/bob')).toBeUndefined();
  });

  test('that removes the file between the last two looks makes it absent', async () => {
    let looks = 0;
    hooks.afterRealpath = async () => {
      looks += 1;
      // The folder, the file, and the file again once it is open.
      if (looks === 3) await fs.rm(join(targets, 'alice'));
    };
    expect(await read('alice')).toBeUndefined();
    expect(opened).toHaveLength(1);
  });

  test('for a file of the same number on another device is tried again', async () => {
    deviceShift = 1n;
    expect(await read('alice')).toBe('of alice');
    expect(opened).toHaveLength(2);
  });

  test('of a link that is switched over while nothing is there for a moment is looked at again', async () => {
    await fs.mkdir(join(targets, '..v1'));
    await fs.writeFile(join(targets, '..v1', 'vnc'), 'of the first');
    await fs.mkdir(join(targets, '..v2'));
    await fs.writeFile(join(targets, '..v2', 'vnc'), 'of the second');
    await fs.symlink('..v1', join(targets, '..data'));
    await fs.symlink(join('..data', 'vnc'), join(targets, 'vnc'));
    let switched = false;
    hooks.beforeOpen = async () => {
      if (switched) return;
      switched = true;
      await fs.symlink('..v2', join(targets, '..next'));
      await fs.rename(join(targets, '..next'), join(targets, '..data'));
      await fs.rm(join(targets, '..v1'), { recursive: true });
    };
    expect(await read('vnc')).toBe('of the second');
  });

  test('of the folder itself, a link that is switched over between two looks, is tried again', async () => {
    for (const version of ['v1', 'v2']) {
      await fs.mkdir(join(targets, version));
      await fs.writeFile(join(targets, version, 'vnc'), `of ${version}`);
    }
    await fs.symlink('v1', join(targets, 'current'));
    const current = await TargetFolder.open(join(targets, 'current'));
    let looks = 0;
    hooks.afterRealpath = async () => {
      looks += 1;
      if (looks !== 1) return;
      await fs.symlink('v2', join(targets, 'next'));
      await fs.rename(join(targets, 'next'), join(targets, 'current'));
    };
    expect((await current.read('vnc', new AbortController().signal))?.text).toBe('of v2');
    expect(looks).toBeGreaterThan(3);
  });

  test('each time is given up', async () => {
    let times = 0;
    hooks.afterOpen = async () => {
      times += 1;
      await fs.writeFile(join(targets, 'new'), 'newer');
      await fs.rename(join(targets, 'new'), join(targets, 'alice'));
    };
    await expect(read('alice')).rejects.toThrow(`${targets}/alice is replaced faster than it can be read`);
    expect(times).toBe(10);
  });

  test('of files that are replaced all the time never shows half a file', async () => {
    const whole = ['a'.repeat(50_000), 'b'.repeat(70_000)];
    let stop = false;
    const editing = (async () => {
      for (let i = 0; !stop; i += 1) {
        await fs.writeFile(join(targets, 'new'), whole[i % 2]!);
        await fs.rename(join(targets, 'new'), join(targets, 'busy'));
      }
    })();
    await vi.waitUntil(async () => (await read('busy').catch(() => undefined)) !== undefined);
    // It may give up, on a busy machine more often than not; what it does not give up is whole.
    const gaveUp = `${targets}/busy is replaced faster than it can be read`;
    for (let i = 0; i < 50; i += 1) {
      const found = await read('busy').catch((error: Error) => error.message);
      if (found !== gaveUp) expect(whole).toContain(found);
    }
    stop = true;
    await editing;
  });
});

describe('the signal', () => {
  const leaving = new Error('the client left');
  const aborted = (controller: AbortController) => () => controller.abort(leaving);

  test('that is aborted already keeps everything from being looked at', async () => {
    hooks.afterRealpath = () => expect.unreachable('realpath');
    await expect(folder.read('alice', AbortSignal.abort(leaving))).rejects.toBe(leaving);
  });

  test('stops before the file is opened', async () => {
    const controller = new AbortController();
    hooks.afterRealpath = aborted(controller);
    await expect(folder.read('alice', controller.signal)).rejects.toBe(leaving);
    expect(opened).toEqual([]);
  });

  test('stops before the file is read, and closes it', async () => {
    const controller = new AbortController();
    hooks.afterOpen = aborted(controller);
    hooks.afterRead = () => expect.unreachable('read');
    await expect(folder.read('alice', controller.signal)).rejects.toBe(leaving);
  });

  test('stops between two reads', async () => {
    const controller = new AbortController();
    let reads = 0;
    hooks.afterRead = () => {
      reads += 1;
      controller.abort(leaving);
    };
    await expect(folder.read('alice', controller.signal)).rejects.toBe(leaving);
    expect(reads).toBe(1);
  });
});
