/** The default backend against what `websocksy-semantics.md` promises of it. */
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/config.ts';
import { ConfigError, type Setting } from '../../../src/config/settings.ts';
import type { Route } from '../../../src/plugins/api.ts';
import backend from '../../../src/plugins/backends/default.ts';
import { ClientRequest } from '../../../src/upgrade-request.ts';
import { refusal as refusalOf } from '../../support/refusal.ts';

type Options = Readonly<Record<string, string>>;

/** The backend as the daemon would have it, asked by a client that offers these subprotocols. */
async function routeFor(options: Options, subprotocols: readonly string[] = []): Promise<Route> {
  const settings: Setting[] = Object.entries(options).map(([name, value]) => ({
    section: 'backend',
    name,
    value,
    layer: 'arguments',
    origin: `-c ${name}`,
    base: '.',
  }));
  const config = await loadConfig(settings);
  const request = new ClientRequest({ target: '/', headers: new Map(), subprotocols }, '127.0.0.1', 1);
  return (await config.backend.query(request, new AbortController().signal)) as Route;
}

const refusal = (options: Options) => refusalOf(routeFor(options), ConfigError);

test('takes the options that the C daemon has', () => {
  expect(Object.keys(backend.options)).toEqual(['host', 'port', 'framing', 'framing-config', 'protocol']);
});

describe('the peer', () => {
  test.each([
    [{}, 'tcp://localhost:5900'],
    [{ host: 'tcp://db.example' }, 'tcp://db.example:5900'],
    [{ host: 'db.example' }, 'tcp://db.example:5900'],
    [{ host: 'tcp://db.example:6000' }, 'tcp://db.example:6000'],
    [{ host: 'tcp://db.example:6000', port: '7000' }, 'tcp://db.example:7000'],
    [{ host: 'tcp://db.example', port: '7000' }, 'tcp://db.example:7000'],
    [{ port: '1' }, 'tcp://localhost:1'],
    [{ port: '65535' }, 'tcp://localhost:65535'],
    [{ host: 'tcp://[::1]:6000' }, 'tcp://[::1]:6000'],
    [{ host: '::1' }, 'tcp://[::1]:5900'],
    [{ host: 'echo://' }, 'echo://'],
    [{ host: 'echo://', port: '80' }, 'echo://'],
    [{ host: 'tcp://db.example:http' }, 'tcp://db.example:80'],
    [{ host: 'tcp://db.example', port: 'https' }, 'tcp://db.example:443'],
    [{ host: 'udp://db.example' }, 'udp://db.example:5900'],
    [{ host: 'udp://db.example', port: 'domain' }, 'udp://db.example:53'],
    [{ host: 'unix:///run/app.sock' }, 'unix:///run/app.sock'],
    [{ host: 'unix:///run/app.sock', port: '80' }, 'unix:///run/app.sock'],
    [{ host: 'unix://@app' }, 'unix://@app'],
  ])('of %j is %s', async (options, peer) => {
    expect((await routeFor(options)).peer).toBe(peer);
  });

  test.each([
    [{ port: '0' }, /^-c port: a port is a number from 1 to 65535, not "0"/],
    [{ port: '65536' }, /^-c port: a port is a number from 1 to 65535/],
    [{ port: '' }, /^-c port: /],
    [{ port: 'not-a-service' }, /^-c port: .*no TCP service is called "not-a-service"/],
    [{ host: 'udp://a', port: 'ssh-not' }, /^-c port: .*no UDP service is called "ssh-not"/],
    [{ port: '-1' }, /^-c port: /],
    [{ port: '80x' }, /^-c port: /],
    [{ host: '' }, /^-c host: .*no host/],
    [{ host: 'tcp://db.example:x' }, /^-c host: .*a port is a number/],
    [{ host: 'fifotx:///x' }, /^-c host: .*never implemented/],
    [{ host: 'gopher://db.example' }, /^-c host: .*unknown scheme/],
    [{ host: 'tcp://a b' }, /^-c host: .*not a host name/],
  ])('of %j is refused, and the option is named', async (options, message) => {
    expect(await refusal(options)).toMatch(message);
  });
});

describe('the framing', () => {
  test('is auto unless it is named', async () => {
    expect(await routeFor({})).toMatchObject({ framing: 'auto', framingConfig: undefined });
    expect(await routeFor({ framing: 'binary' })).toMatchObject({ framing: 'binary' });
  });

  test('passes its configuration on', async () => {
    expect(await routeFor({ framing: 'binary', 'framing-config': '' })).toMatchObject({ framingConfig: '' });
  });

  test.each([
    [{ framing: 'binry' }, /^-c framing: unknown framing "binry"; did you mean binary\?/],
    [{ framing: '' }, /^-c framing: unknown framing ""/],
    [{ framing: 'binary', 'framing-config': '7' }, /"binary".*takes no configuration/],
    [{ 'framing-config': '7' }, /"auto".*takes no configuration/],
  ])('of %j is refused when the configuration is loaded', async (options, message) => {
    expect(await refusal(options)).toMatch(message);
  });
});

describe('the subprotocol', () => {
  const offers = ['Chat', 'superchat', 'BINARY', 'binary'];

  test.each([
    ['unset', {}, [], undefined],
    ['unset, with offers', {}, offers, undefined],
    ['* without offers', { protocol: '*' }, [], undefined],
    ['*: the first offer', { protocol: '*' }, offers, 'Chat'],
    ['set, without offers', { protocol: 'chat' }, [], undefined],
    ['set: the client’s spelling', { protocol: 'CHAT' }, offers, 'Chat'],
    ['set, exactly', { protocol: 'superchat' }, offers, 'superchat'],
    ['set: the first in the client’s order', { protocol: 'binary' }, offers, 'BINARY'],
    ['set, no match', { protocol: 'mqtt' }, offers, undefined],
    ['set, only a part of an offer', { protocol: 'super' }, offers, undefined],
    ['set, more than an offer', { protocol: 'chats' }, offers, undefined],
  ])('%s', async (_what, options, offered, selected) => {
    expect((await routeFor(options, offered)).subprotocol).toBe(selected);
  });
});
