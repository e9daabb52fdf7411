/**
 * The folder of the target files: reads one of them, and nothing outside.
 *
 * A name that leads through symbolic links is followed if the file is still inside (docs/decisions/009). First the real
 * path is asked for, and only if that lies inside is it opened, without waiting for whatever it is; then the name must
 * still lead to what was opened. What changes in between is tried again.
 *
 * "There is no such file" is an answer, undefined. A file that is there and cannot be used is an error: to go on to a
 * file that fits less well could give a client a peer that nobody meant for it.
 */
import { Buffer, isUtf8 } from 'node:buffer';
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, realpath, stat } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface TargetFile {
  /** For messages, as the folder's path and the name give it. */
  readonly path: string;
  readonly text: string;
  /** Another one when the file has been changed. */
  readonly version: string;
}

/** What a look at a file came to. Undefined: it is not there. */
type Attempt = TargetFile | undefined | 'replaced' | Doubt;

/** What may look otherwise in a moment, when a link has been switched over; if it stays, this is what it comes to. */
class Doubt {
  readonly #error: string | undefined;

  /** @param error left out: there is no such file */
  constructor(error?: string) {
    this.#error = error;
  }

  settle(): undefined {
    if (this.#error !== undefined) throw new Error(this.#error);
  }
}

/** 1 MiB: some ten thousand lines. Whatever is longer is no target file. */
export const MAX_BYTES = 1024 * 1024;

/** Most target files are a few lines; a long one takes a few more reads. */
const READ_BYTES = 16 * 1024;

/** A file that is replaced with each of ten reads is no longer being edited. */
const ATTEMPTS = 10;

/** What looks the same at three looks is so. */
const LOOKS = 3;

/** Between these looks, in ms: a link is switched over within one. */
const PAUSE = 2;

/** O_NONBLOCK: a FIFO without a writer would hold one of the few threads that all files of the process share. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;

/** What means that there is no such file. A name that is too long for the file system is none of its files. */
const ABSENT = ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'];

export class TargetFolder {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /**
   * @param path counts from the working directory
   * @throws Error if there is no such folder
   */
  static async open(path: string): Promise<TargetFolder> {
    const absolute = resolve(path);
    const found = await unlessAbsent(stat(absolute));
    if (found === undefined) throw new Error(`there is no folder ${absolute}`);
    if (!found.isDirectory()) throw new Error(`${absolute} is not a folder`);
    return new TargetFolder(absolute);
  }

  /**
   * @param name relative to the folder
   * @returns undefined if there is no such file, or if it is a folder
   * @throws Error if there is one that cannot be used; the signal's reason if that is aborted
   */
  async read(name: string, signal: AbortSignal): Promise<TargetFile | undefined> {
    const path = join(this.#path, name);
    let doubts = 0;
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const found = await this.#attempt(path, signal);
      if (found === 'replaced') continue;
      if (!(found instanceof Doubt)) return found;
      doubts += 1;
      if (doubts === LOOKS) return found.settle();
      await sleep(PAUSE);
    }
    throw new Error(`${path} is replaced faster than it can be read`);
  }

  async #attempt(path: string, signal: AbortSignal): Promise<Attempt> {
    signal.throwIfAborted();
    // Each time anew: the folder itself may be a link that is switched over.
    const root = await unlessAbsent(realpath(this.#path));
    if (root === undefined) return new Doubt(`there is no folder ${this.#path} any more`);
    const real = await unlessAbsent(realpath(path));
    signal.throwIfAborted();
    if (real === undefined || !isInside(real, root)) return this.#doubt(path, real, root);
    const handle = await unlessReplaced(open(real, FLAGS));
    if (handle === undefined) return 'replaced';
    try {
      const opened = await handle.stat({ bigint: true });
      if (opened.isDirectory()) return undefined;
      if (!opened.isFile()) throw new Error(`${path} is not a regular file`);
      if (!(await leadsTo(path, real, opened))) return 'replaced';
      const text = await readText(handle, path, signal);
      return { path, text, version: `${opened.ino}:${opened.size}:${opened.mtimeNs}` };
    } finally {
      await handle.close();
    }
  }

  /** What a file comes to that is absent or outside: a link that is switched over just now looks like that, too. */
  async #doubt(path: string, real: string | undefined, root: string): Promise<Attempt> {
    if ((await unlessAbsent(realpath(this.#path))) !== root) return 'replaced';
    if (real !== undefined) return new Doubt(`${path} leads to ${real}, which is outside of ${root}`);
    return (await this.#leadsThroughLink(path)) ? new Doubt() : undefined;
  }

  /** Whether a link stands somewhere on the way to a file that is not there. */
  async #leadsThroughLink(path: string): Promise<boolean> {
    for (let at = path; at.length > this.#path.length; at = dirname(at)) {
      const found = await unlessAbsent(lstat(at));
      if (found?.isSymbolicLink()) return true;
    }
    return false;
  }
}

/** What was a file a moment ago is gone, or has become a link. */
async function unlessReplaced<T>(attempt: Promise<T>): Promise<T | undefined> {
  try {
    return await unlessAbsent(attempt);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ELOOP') return undefined;
    throw error;
  }
}

function isInside(real: string, root: string): boolean {
  return real === root || real.startsWith(root.endsWith(sep) ? root : root + sep);
}

/** Whether a path, through all links, still is the file that was opened. */
async function leadsTo(path: string, real: string, opened: { dev: bigint; ino: bigint }): Promise<boolean> {
  if ((await unlessAbsent(realpath(path))) !== real) return false;
  const now = await unlessAbsent(stat(real, { bigint: true }));
  return now !== undefined && now.dev === opened.dev && now.ino === opened.ino;
}

async function readText(handle: FileHandle, path: string, signal: AbortSignal): Promise<string> {
  const pieces: Buffer[] = [];
  let length = 0;
  for (;;) {
    signal.throwIfAborted();
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES, null);
    if (bytesRead === 0) break;
    length += bytesRead;
    if (length > MAX_BYTES) throw new Error(`${path} is larger than ${MAX_BYTES} bytes`);
    pieces.push(buffer.subarray(0, bytesRead));
  }
  const bytes = Buffer.concat(pieces);
  if (!isUtf8(bytes)) throw new Error(`${path} is not UTF-8`);
  return bytes.toString('utf8');
}

async function unlessAbsent<T>(attempt: Promise<T>): Promise<T | undefined> {
  try {
    return await attempt;
  } catch (error) {
    if (ABSENT.includes(String((error as NodeJS.ErrnoException).code))) return undefined;
    throw error;
  }
}
