/**
 * Names that every object of JavaScript has already, wherever a stranger or an operator can put a name: they are names
 * like others. `ws` crashed on them in an extension, Node's server in a header field; docs/security.md has the advisories.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseArgv } from '../../src/config/argv.ts';
import { loadConfig } from '../../src/config/config.ts';
import { parseEnvironment } from '../../src/config/environment.ts';
import { parseFile } from '../../src/config/file.ts';
import { ConfigError } from '../../src/config/settings.ts';
import type { Backend, UpgradeRequest } from '../../src/plugins/api.ts';
import filePlugin from '../../src/plugins/backends/file.ts';
import { type Daemon, runCommand, startDaemon } from '../support/daemon.ts';
import { DeflateClient } from '../support/deflate-client.ts';
import { type ServeOptions, serve } from '../support/in-process.ts';
import { RawClient, request, TEXT } from '../support/raw-client.ts';
import { refusal } from '../support/refusal.ts';
import { expectStillEchoing } from '../support/still-serving.ts';

const NAMES = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'valueOf',
  'hasOwnProperty',
  '__defineGetter__',
];

const folder = mkdtempSync(join(tmpdir(), 'websocksy-names-'));
let echo: Daemon;
beforeAll(async () => {
  echo = await startDaemon(['-c', 'host=echo://', '-c', 'protocol=*', '--compression', 'on']);
});
afterAll(async () => {
  await echo?.stop('SIGKILL');
  rmSync(folder, { recursive: true });
});

/** A message that is about the name, and not about what was found under it. */
function expectAnswer(message: string, name: string): void {
  expect(message).toContain(name);
  expect(message).not.toMatch(/is not a |undefined|cannot read|native code|object Object/i);
}

/** A daemon whose backend keeps what it was asked with, and answers like this. */
async function asking(answer: unknown, options: ServeOptions = {}) {
  const asked: UpgradeRequest[] = [];
  const backend = {
    async query(upgrade: UpgradeRequest) {
      asked.push(upgrade);
      return answer;
    },
  } as Backend;
  return { asked, served: await serve({ backend, ...options }) };
}

describe.each(NAMES)('the name %s', (name) => {
  test('is one like others as header, cookie, query and path', async () => {
    const { asked, served } = await asking({ peer: 'echo://' });
    const client = await served.connect();
    const requestLine = `GET /${name}?${name}=query HTTP/1.1`;
    client.send(request({ requestLine, add: [`${name}: header`, `Cookie: ${name}=cookie`] }));
    await client.expectAccepted();
    const { path, query, cookies, headers } = asked[0]!;
    expect(path).toBe(`/${name}`);
    expect(query.get(name)).toBe('query');
    expect([...cookies]).toEqual([[name, 'cookie']]);
    expect(headers.get(name.toLowerCase())).toBe('header');
    expect([...headers.keys()]).toHaveLength(7);
    client.stream.end();
  });

  test('is not there where it was not sent', async () => {
    const { asked, served } = await asking({ peer: 'echo://' });
    const client = await served.connect();
    client.send(request());
    await client.expectAccepted();
    const { query, cookies, headers } = asked[0]!;
    expect([query.get(name), cookies.get(name), headers.get(name), headers.get(name.toLowerCase())]).toEqual([
      null,
      undefined,
      undefined,
      undefined,
    ]);
    client.stream.end();
  });

  test('twice as a header is joined like others', async () => {
    const { asked, served } = await asking({ peer: 'echo://' });
    const client = await served.connect();
    client.send(request({ add: [`${name}: one`, `${name}: two`] }));
    await client.expectAccepted();
    expect(asked[0]!.headers.get(name.toLowerCase())).toBe('one, two');
    client.stream.end();
  });

  test('is a subprotocol like others', async () => {
    const client = await RawClient.connect(echo);
    client.send(request({ add: [`Sec-WebSocket-Protocol: ${name}`] }));
    const { fields } = await client.expectAccepted();
    expect(fields.get('sec-websocket-protocol')).toEqual([name]);
    client.stream.end();
  });

  test('is an extension that nobody knows', async () => {
    const client = await DeflateClient.offer(
      echo,
      `${name}, ${name}; ${name}=${name}; constructor, permessage-deflate`,
    );
    expect(client.agreement).toBeDefined();
    client.send('81 85 37fa213d 7f9f4d5158');
    await client.expectData(TEXT, 'Hello');
    client.stream.end();
  });

  test.each(['', '=1', '="x"'])('is a parameter%s that declines the offer it is in', async (value) => {
    const client = await DeflateClient.offer(echo, `permessage-deflate; ${name}${value}`);
    expect(client.agreement).toBeUndefined();
    await client.expectOpen();
    client.stream.end();
  });

  test.each([
    ['framing', (of: string) => ({ peer: 'echo://', framing: of })],
    ['port', (of: string) => ({ peer: `tcp://127.0.0.1:${of}` })],
    ['scheme', (of: string) => ({ peer: `${of}://127.0.0.1:1` })],
  ])('is a %s that there is none of in a route', async (_, route) => {
    const { served } = await asking(route(name));
    const client = await served.connect();
    client.send(request());
    await client.expectRefused(500);
    client.stream.end();
    expect(await served.ended()).toMatchObject({ why: 'route-invalid' });
  });

  test('is a target file like others: there or not', async () => {
    const backend = await filePlugin.create(
      { get: () => folder, all: () => ['%endpoint%', '%cookie:user%', '%header:x-user%'] },
      {
        checkFraming: () => Promise.reject(new Error('unused')),
        checkPeer: (address) => address,
        warn: () => {},
      },
    );
    const served = await serve({ backend });
    const ask = async () => {
      const client = await served.connect();
      const add = [`Cookie: user=${name}`, `X-User: ${name}`];
      client.send(request({ requestLine: `GET /${name} HTTP/1.1`, add }));
      return client;
    };
    const absent = await ask();
    await absent.expectRefused(404);
    absent.stream.end();
    writeFileSync(join(folder, name), 'echo:// *\n');
    const there = await ask();
    await there.expectAccepted();
    there.stream.end();
  });

  test('in a JSON value from the peer is text that is passed on', async () => {
    const served = await serve({ framing: 'json' });
    const { client, peer } = await served.bridge();
    const value = `{"${name}":{"polluted":1}}`;
    peer.write(value);
    await client.expectMessage(TEXT, value);
    client.stream.end();
    peer.end();
  });

  test.each<[string, (of: string) => string[]]>([
    ['an option', (of) => [`--${of}`]],
    ['an option with a value', (of) => [`--${of}=1`]],
    ["an option of the backend's", (of) => ['-c', `${of}=1`]],
    ['a backend', (of) => ['-b', of]],
    ['a plugin', (of) => ['--plugin', of]],
    ['a framing', (of) => ['-c', `framing=${of}`]],
    ['a port', (of) => ['-p', of]],
    ['a service', (of) => ['-c', `port=${of}`]],
    ['a log level', (of) => ['--log-level', of]],
    ['a choice', (of) => ['--kernel', of]],
    ['a switch', (of) => ['--compression', of]],
  ])('is refused as %s on the command line', async (_, args) => {
    const load = async () => loadConfig(parseArgv(args(name), '.').settings);
    expectAnswer(await refusal(load(), ConfigError), name);
  });

  test.each([
    ['an option', `${name} = 1`, 1],
    ["an option of the backend's", `[backend]\n${name} = 1`, 2],
    ['a section', `[${name}]`, 1],
    ['a backend', `backend = ${name}`, 1],
  ])('is refused as %s in a file, which is named with the line', async (_, text, line) => {
    const load = async () => loadConfig(parseFile(text, 'a.conf'));
    const message = await refusal(load(), ConfigError);
    expect(message).toContain(`a.conf:${line}`);
    expectAnswer(message, name);
  });

  test('is passed over in the environment, like all that is not known there', async () => {
    const env = { [`WEBSOCKSY_${name}`]: '1', [`WEBSOCKSY_BACKEND_OPTION_${name}`]: '1', [name]: '1' };
    const { effective } = await loadConfig(parseEnvironment(env, '.').settings);
    expect(JSON.stringify(effective)).not.toContain(name);
  });
});

test('a daemon that is given such a name says so in one line', async () => {
  const { code, stdout, stderr } = await runCommand(['-c', '__proto__=1']);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(/^[^\n]*__proto__[^\n]*\n$/);
});

test('no object has got a property by any of it', async () => {
  expect(Object.keys(Object.prototype)).toEqual([]);
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  await expectStillEchoing(echo);
});
