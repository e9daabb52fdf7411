/**
 * A Unix socket to listen on, at a path that others may know already.
 *
 * A socket that nobody answers at is left over from a program that was killed, and is removed; one that is answered at
 * is in use; what is no socket is not ours to remove. The socket is bound under a name of its own and linked to its
 * place when its mode is set: nobody connects too early, and it is never taken from a program that was quicker. libuv
 * unlinks the name that it bound when the server closes, whoever has that name by then: it is one that nobody has.
 */
import { chmodSync, linkSync, lstatSync, renameSync, type Stats, statSync, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { dirname } from 'node:path';
import { systemPath, temporaryPath } from './transports/address.ts';

/** Takes the socket away again, if it is still ours. */
export type Release = () => void;

/**
 * Has a server listen at a path, or in the abstract namespace (`@name`, Linux).
 *
 * @param mode who may connect
 * @throws (rejects) the system's error; one with the code EADDRINUSE that says what is there
 */
export async function listenAtPath(
  server: Server,
  path: string,
  mode: number,
  backlog: number,
): Promise<Release> {
  if (path.startsWith('@')) {
    await listen(server, systemPath(path), backlog);
    return () => {};
  }
  const folder = dirname(path);
  // Asked first, since libuv would call it EACCES.
  if (!statSync(folder).isDirectory()) throw Object.assign(new Error('no folder'), { code: 'ENOTDIR' });
  await clear(path);
  const bound = temporaryPath(folder);
  await listen(server, bound, backlog);
  let own: Stats;
  try {
    chmodSync(bound, mode);
    own = lstatSync(bound);
    linkSync(bound, path);
    unlinkSync(bound);
  } catch (error) {
    server.close();
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      throw inUse('another program was quicker to take the path');
    throw error;
  }
  return () => remove(path, own);
}

/** Makes room at a path, where that can be done without harm to anybody. */
async function clear(path: string): Promise<void> {
  const found = statOf(path);
  if (found === undefined) return;
  if (!found.isSocket()) throw inUse('what is there is no socket, so it stays; choose another path with -l');
  const failure = await tryConnect(path);
  if (failure === undefined)
    throw inUse('another program answers there; stop it, or choose another path with -l');
  if (failure === 'ECONNREFUSED' || failure === 'ENOENT') {
    remove(path, found);
  } else {
    // EAGAIN: somebody has a full backlog. EACCES: somebody else's.
    throw inUse(`there is a socket, which cannot be connected to (${failure})`);
  }
}

/**
 * Removes this very socket. Between a look and an unlink another program could put its own there, so it is put aside
 * first, which is one step, looked at, and given back if it is another one.
 */
function remove(path: string, expected: Stats): void {
  if (!isSame(statOf(path), expected)) return;
  const aside = temporaryPath(dirname(path));
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  try {
    if (!isSame(statOf(aside), expected)) linkSync(aside, path);
  } finally {
    unlinkSync(aside);
  }
}

/** The code of the error; undefined: somebody answers. */
function tryConnect(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

function listen(server: Server, path: string, backlog: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ path, backlog }, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
}

function statOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

/** The number alone is given again, and soon: the time at which it was made tells two that had it apart. */
function isSame(one: Stats | undefined, other: Stats): boolean {
  return one !== undefined && one.ino === other.ino && one.dev === other.dev && one.mtimeMs === other.mtimeMs;
}

function inUse(message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(message), { code: 'EADDRINUSE' });
}
