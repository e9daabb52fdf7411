/** Runs each configuration of examples/ in the built daemon, against a peer of the kind that it is for. */
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { runCommand, startDaemon } from './support/daemon.ts';
import { DaemonAtPath, openAt } from './support/daemon-at-path.ts';
import { BINARY, clientFrame } from './support/raw-client.ts';
import { TcpPeer } from './support/tcp-peer.ts';

const EXAMPLES = readdirSync(new URL('../examples/', import.meta.url)).filter((name) =>
  name.endsWith('.conf'),
);

test.each(EXAMPLES)('examples/%s is a good configuration, without a warning', async (name) => {
  const { code, stdout, stderr } = await runCommand(['--check', `examples/${name}`], {
    PATH: process.env['PATH'],
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toContain(`# from examples/${name}:`);
});

test.each(EXAMPLES)('examples/%s says in its first line what it is for', (name) => {
  expect(readFileSync(new URL(`../examples/${name}`, import.meta.url), 'utf8')).toMatch(/^# [A-Z].{20,}/);
});

describe('examples/mqtt.conf', () => {
  // MQTT 5.0 §3.1 and §3.2: a CONNECT with the client identifier "a", and the CONNACK that takes it.
  const CONNECT = Buffer.from('100e00044d51545405020000000001'.concat('61'), 'hex');
  const CONNACK = Buffer.from('2003000000', 'hex');

  let broker: TcpPeer;
  beforeAll(async () => {
    broker = await TcpPeer.listen();
  });
  afterAll(() => broker.close());

  test.each([[['mqtt']], [['mqttv3.1']], [['mqttv3.1', 'mqtt']]])(
    'takes a client that offers %j, and carries its packets as binary messages',
    async (offers) => {
      const { port } = new URL(broker.address);
      await using daemon = await startDaemon([
        '-c',
        `port=${port}`,
        '--config',
        'examples/mqtt.conf',
        '-p',
        '0',
      ]);
      const client = new WebSocket(`ws://127.0.0.1:${daemon.port}/mqtt`, offers);
      await once(client, 'open');
      expect(client.protocol).toBe(offers[0]);
      const peer = await broker.accept();
      client.send(CONNECT);
      expect(await peer.take(CONNECT.length)).toEqual(CONNECT);
      peer.write(CONNACK);
      const [message, isBinary] = await once(client, 'message');
      expect({ message, isBinary }).toEqual({ message: CONNACK, isBinary: true });
      const closed = once(client, 'close');
      client.close();
      await peer.expectEnd();
      peer.end();
      await closed;
    },
  );
});

describe('examples/unix-socket.conf', () => {
  test('is reached through its socket, which a server in front of it may write to', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ws-nginx-'));
    const path = join(folder, 'websocksy.sock');
    const vnc = await TcpPeer.listen();
    const { port } = new URL(vnc.address);
    const args = ['--config', 'examples/unix-socket.conf', '-c', `port=${port}`];
    await using _daemon = await DaemonAtPath.start(`unix://${path}`, args);
    expect(statSync(path).mode & 0o777).toBe(0o660);
    const client = await openAt(path);
    const peer = await vnc.accept();
    peer.write('RFB 003.008\n');
    await client.expectMessage(BINARY, 'RFB 003.008\n');
    client.send(clientFrame(BINARY, 'RFB 003.008\n'));
    expect(String(await peer.take(12))).toBe('RFB 003.008\n');
    client.stream.destroy();
    peer.destroy();
    await vnc.close();
    rmSync(folder, { recursive: true });
  });
});
