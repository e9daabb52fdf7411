/** Files and command lines that were written for the C daemon: each of its options is obeyed as it stands. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parseArgv } from '../../src/config/argv.ts';
import { type Config, loadConfig } from '../../src/config/config.ts';
import { parseFile } from '../../src/config/file.ts';
import { ClientRequest } from '../../src/upgrade-request.ts';

const fromFile = (...lines: string[]): Promise<Config> => loadConfig(parseFile(lines.join('\n'), 'w.conf'));
const fromArguments = (...argv: string[]): Promise<Config> => loadConfig(parseArgv(argv, '.').settings);

function ask({ backend }: Config, target: string, ...subprotocols: string[]): Promise<unknown> {
  const request = new ClientRequest({ target, headers: new Map(), subprotocols }, '127.0.0.1', 1);
  return backend.query(request, new AbortController().signal);
}

test('a file with every option of the daemon and of the default backend', async () => {
  const config = await fromFile(
    '[core]',
    'port = 9001',
    'listen = 127.0.0.1',
    'ping = 5',
    'backend = default',
    '[backend]',
    'host = tcp://db.example',
    'port = 5901',
    'framing = separator',
    'framing-config = ;',
    'protocol = binary',
  );
  expect(config).toMatchObject({ port: 9001, host: '127.0.0.1', keepalive: 5000, backendName: 'default' });
  expect(await ask(config, '/', 'Binary')).toEqual({
    peer: 'tcp://db.example:5901',
    framing: 'separator',
    framingConfig: ';',
    subprotocol: 'Binary',
  });
});

test('a file with every option of the backend file, whose expressions add up in their order', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'targets-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const name of ['vnc', 'first', 'second']) writeFileSync(join(folder, name), `tcp://${name}:1 *\n`);
  const config = await fromFile(
    'backend = file',
    '[backend]',
    `path = ${folder}/`,
    'expression = %endpoint%',
    'expression = first',
    'expression = second',
  );
  expect(await ask(config, '/vnc')).toMatchObject({ peer: 'tcp://vnc:1' });
  expect(await ask(config, '/none')).toMatchObject({ peer: 'tcp://first:1' });
});

test('in a file a backend discards the options above it, and keeps those below', async () => {
  const config = await fromFile(
    '[backend]',
    'host = tcp://above.example',
    '[core]',
    'backend = default',
    '[backend]',
    'port = 7',
  );
  expect(await ask(config, '/')).toMatchObject({ peer: 'tcp://localhost:7' });
});

test('a command line with every option', async () => {
  const config = await fromArguments(
    ...['-p', '9001', '-l', '127.0.0.1', '-k', '0', '-b', 'default'],
    ...[
      '-c',
      'host=tcp://db.example',
      '-c',
      'port=5901',
      '-c',
      'framing=separator',
      '-c',
      'framing-config=a=b',
    ],
    ...['-c', 'protocol=*'],
  );
  expect(config).toMatchObject({ port: 9001, host: '127.0.0.1', keepalive: 0, backendName: 'default' });
  expect(await ask(config, '/', 'v2', 'v1')).toEqual({
    peer: 'tcp://db.example:5901',
    framing: 'separator',
    framingConfig: 'a=b',
    subprotocol: 'v2',
  });
});

test('on a command line a second -b discards what -c gave to the first', async () => {
  const config = await fromArguments(
    ...['-b', 'file', '-c', 'path=/nowhere', '-c', 'expression=x'],
    ...['-b', 'default', '-c', 'port=7'],
  );
  expect(config.backendName).toBe('default');
  expect(await ask(config, '/')).toMatchObject({ peer: 'tcp://localhost:7' });
});

test('on a command line the last of two values wins', async () => {
  const config = await fromArguments('-p', '1', '-p', '2', '-c', 'host=tcp://a:1', '-c', 'host=tcp://b:2');
  expect(config.port).toBe(2);
  expect(await ask(config, '/')).toMatchObject({ peer: 'tcp://b:2' });
});
