/** The moment between a look at a socket's path and its removal, in which the path may become another program's. */
import * as fs from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { listenAtPath } from '../src/unix-listener.ts';

/** What happens in that moment. */
let meanwhile: (() => void) | undefined;

vi.mock('node:fs', async (original) => {
  const real = await original<typeof fs>();
  return {
    ...real,
    renameSync: (from: string, to: string) => {
      meanwhile?.();
      meanwhile = undefined;
      real.renameSync(from, to);
    },
  };
});

let folder: string;
let servers: Server[];
beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'wsr-'));
  servers = [];
});
afterEach(() => {
  for (const server of servers) server.close();
  fs.rmSync(folder, { recursive: true });
});

async function listening(name: string) {
  const server = createServer();
  servers.push(server);
  return listenAtPath(server, join(folder, name), 0o660, 16);
}

test('a path that has become another program’s is given back', async () => {
  const release = await listening('a');
  await listening('theirs');
  const { ino } = fs.lstatSync(join(folder, 'theirs'));
  meanwhile = () => {
    fs.unlinkSync(join(folder, 'a'));
    fs.linkSync(join(folder, 'theirs'), join(folder, 'a'));
  };
  release();
  expect(meanwhile).toBeUndefined();
  expect(fs.readdirSync(folder).sort()).toEqual(['a', 'theirs']);
  expect(fs.lstatSync(join(folder, 'a')).ino).toBe(ino);
});

test('a path that is free by then is left free', async () => {
  const release = await listening('a');
  meanwhile = () => fs.unlinkSync(join(folder, 'a'));
  release();
  expect(meanwhile).toBeUndefined();
  expect(fs.readdirSync(folder)).toEqual([]);
});
