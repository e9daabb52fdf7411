/**
 * What a stranger is told at each fault: the text of the table in errors.ts, and nothing of the inside. Every fault that
 * can be brought about from outside is, with secrets planted wherever the daemon knows something that is not theirs.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { FAULTS, type FaultCode } from '../../src/errors.ts';
import type { Backend } from '../../src/plugins/api.ts';
import { compressedFrame } from '../support/deflate-client.ts';
import { type Served, type ServeOptions, serve, until } from '../support/in-process.ts';
import { FramingFolder, unansweringPort } from '../support/peer.ts';
import {
  clientClose,
  clientFrame,
  type RawClient,
  type RequestOptions,
  request,
  TEXT,
} from '../support/raw-client.ts';
import { refusingPort } from '../support/tcp-peer.ts';
import { FLOOD, framedFlood } from '../support/ws-wire.ts';

/** A name for what is inside; it stands in addresses, paths, messages and stacks. */
const INSIDE = 'inside-7f3a';

/** What would tell of the inside: of the machine, of this code, of the system. */
const LEAKS = [
  INSIDE,
  process.cwd(),
  tmpdir(),
  'node:',
  'file:',
  '.ts',
  '.mjs',
  '127.0.0.1',
  '::1',
  'localhost',
  'undefined',
  '[object',
];
const LEAK_FORMS = [/\bat \S+ \(|\n\s+at /, /\b[A-Z]\w*Error\b/, /\bE[A-Z]{4,}\b/, /:\d{4,5}\b(?!\d| GMT)/];

/** What a client sends that is not to come back. */
const THEIRS = 'theirs-9c1d';

const folder = mkdtempSync(join(tmpdir(), `websocksy-${INSIDE}-`));
const framings = new FramingFolder();
let refusing: Awaited<ReturnType<typeof refusingPort>>;
let unanswering: Awaited<ReturnType<typeof unansweringPort>>;
beforeAll(async () => {
  refusing = await refusingPort();
  unanswering = await unansweringPort();
});
afterAll(async () => {
  refusing.release();
  await unanswering.release();
  framings.remove();
  rmSync(folder, { recursive: true });
});

/** Keeps the event loop from everything else, for so many ms. */
function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

interface Way {
  /** How a daemon is set up in which it happens. */
  readonly options?: () => ServeOptions;
  /** What the client sends at first. @default a request that is in order */
  readonly head?: RequestOptions;
  /** The first bytes, if they are no request at all. */
  readonly bytes?: string;
  /** What others do first, who then turn it away. */
  readonly before?: (served: Served) => Promise<unknown>;
  /** What happens once the connection is open; left out: it never is. */
  readonly act?: (client: RawClient, served: Served) => Promise<unknown> | unknown;
}

const compression = {
  level: 6,
  windowBits: 15,
  serverTakeover: true,
  clientTakeover: true,
  threshold: 64,
  connections: 10,
};

const field = (...add: string[]): Way => ({ head: { add } });
const frame = (...parts: readonly (Uint8Array | string)[]): Way => ({
  options: () => ({ peer: 'echo://' }),
  act: (client) => client.send(...parts),
});
const answering = (query: () => unknown, options: ServeOptions = {}): Way => ({
  options: () => ({ ...options, backend: { query } as unknown as Backend }),
});
const peer = async (served: Served) => served.peers.accept();
const failure = () => {
  throw new Error(`${INSIDE} at ${folder}/secret.ts:1:1`);
};

const WAYS: Partial<Record<FaultCode, Way>> = {
  'head-malformed': field(`X-${THEIRS} : x`),
  'head-too-large': field(`X: ${THEIRS.repeat(2_000)}`),
  'head-timeout': { options: () => ({ limits: { headTimeout: 100 } }), bytes: `GET /${THEIRS}` },
  'version-http': { head: { requestLine: `GET /${THEIRS} HTTP/1.0` } },
  'target-invalid': { head: { requestLine: `GET ${THEIRS} HTTP/1.1` } },
  'host-missing': { head: { replace: { Host: null } } },
  'header-repeated': field(`Host: ${THEIRS}`),
  'body-refused': field('Content-Length: 1'),
  'method-refused': { head: { requestLine: `${THEIRS} / HTTP/1.1` } },
  'upgrade-required': { head: { replace: { Upgrade: THEIRS } } },
  'version-unsupported': { head: { replace: { 'Sec-WebSocket-Version': THEIRS } } },
  'key-invalid': { head: { replace: { 'Sec-WebSocket-Key': THEIRS } } },
  'subprotocols-malformed': field(`Sec-WebSocket-Protocol: ${THEIRS}/`),
  'extensions-malformed': field(`Sec-WebSocket-Extensions: ${THEIRS}/`),

  'rsv-set': frame('c1 80 00000000'),
  'opcode-reserved': frame('83 80 00000000'),
  'mask-missing': frame('81 00'),
  'length-not-minimal': frame('81 fe 0001 00000000'),
  'length-invalid': frame('81 ff 8000000000000000 00000000'),
  'frame-too-large': frame('81 ff 4000000000000000 00000000'),
  'message-too-large': frame('81 ff 0000000001000001 00000000'),
  'control-too-long': frame('89 fe 007e 00000000'),
  'control-fragmented': frame('09 80 00000000'),
  'continuation-unexpected': frame('80 80 00000000'),
  'message-interrupted': frame('01 80 00000000 81 80 00000000'),
  'close-malformed': frame('88 81 00000000 03'),
  'close-code-invalid': frame('88 82 00000000 0000'),
  'inflate-failed': {
    options: () => ({ peer: 'echo://', compression }),
    head: { add: ['Sec-WebSocket-Extensions: permessage-deflate'] },
    act: (client) => client.send(compressedFrame(TEXT, Buffer.alloc(64, 0xff))),
  },
  'text-not-utf8': frame('81 81 00000000 ff'),

  'route-none': answering(async () => null),
  'route-refused': answering(async () => ({ status: 403 })),
  'route-invalid': answering(async () => ({ peer: `tcp://${INSIDE}`, framing: folder })),
  'backend-failed': answering(failure),
  'backend-timeout': answering(() => new Promise(() => {}), { limits: { queryTimeout: 100 } }),
  'dial-failed': answering(async () => ({ peer: `unix://${folder}/none` })),
  'dial-timeout': {
    options: () => ({
      backend: { query: async () => ({ peer: `tcp://127.0.0.1:${unanswering.port}` }) },
      limits: { dialTimeout: 100 },
    }),
  },

  'connections-full': {
    options: () => ({ limits: { connections: 1 } }),
    before: (served) => served.open(),
  },
  'address-full': {
    options: () => ({ limits: { addressConnections: 1 } }),
    before: (served) => served.open(),
  },
  'address-rate': {
    options: () => ({ limits: { addressRate: 1, addressBurst: 1 } }),
    before: (served) => served.open(),
  },
  overloaded: {
    options: () => ({ limits: { lag: 50 } }),
    before: async (served) => {
      const blocking = setInterval(() => block(400), 1);
      onTestFinished(() => clearInterval(blocking));
      // Two ticks come late, and so does every one after them.
      for (let answer = ''; !answer.endsWith('503'); ) {
        const client = await served.connect();
        client.send(request());
        answer = (await client.stream.take(12)).toString();
      }
    },
  },
  'memory-full': {
    options: () => ({
      backend: { query: () => new Promise(() => {}) },
      limits: { bufferedBytes: 1 },
    }),
    bytes: `${request()}early`,
  },
  'descriptors-full': {
    options: () => ({
      backend: { query: async () => ({ peer: `udp://${INSIDE}:1` }) },
      resolver: () => Promise.reject(Object.assign(new Error(INSIDE), { code: 'EMFILE' })),
    }),
  },
  'control-rate': {
    options: () => ({ limits: { controlRate: 1 } }),
    act: (client) => client.send(Buffer.from('898000000000898000000000898000000000', 'hex')),
  },
  'idle-timeout': { options: () => ({ limits: { idleTimeout: 100 } }), act: () => {} },
  'life-timeout': { options: () => ({ limits: { lifeTimeout: 100 } }), act: () => {} },

  'peer-closed': { act: async (_, served) => (await peer(served)).end() },
  'peer-failed': { act: async (_, served) => (await peer(served)).reset() },
  'peer-stalled': {
    options: () => ({ limits: { stallTimeout: 300 } }),
    act: async (client, served) => {
      (await peer(served)).socket.pause();
      client.send(framedFlood());
    },
  },
  'framing-failed': {
    options: () => ({ framing: framings.write(INSIDE, `throw new Error('${INSIDE} at ${folder}')`) }),
    act: async (_, served) => (await peer(served)).write('x'),
  },
  'segment-too-large': {
    options: () => ({ framing: 'newline', limits: { segmentBytes: 10 } }),
    act: async (_, served) => (await peer(served)).write('x'.repeat(20)),
  },
  'client-closed': { act: (client) => client.send(clientClose(1000, THEIRS)) },
  'client-vanished': { act: (client) => client.stream.end() },
  'client-silent': { options: () => ({ keepalive: 100 }), act: () => {} },
  'client-stalled': {
    options: () => ({ limits: { stallTimeout: 300 } }),
    act: async (client, served) => {
      const { socket } = client.stream;
      socket.pause();
      (await peer(served)).write(FLOOD);
      await served.ended();
      socket.resume();
    },
  },
  'close-timeout': {
    options: () => ({ limits: { closeTimeout: 200 } }),
    act: async (_, served) => (await peer(served)).end(),
  },
  stopping: {
    act: (_, served) => {
      void served.daemon.stop();
    },
  },
  // A fault of ours that is not known yet: here a resolver that is none.
  internal: {
    options: () => ({ peer: `tcp://${INSIDE}:1`, resolver: { [INSIDE]: folder } as never }),
  },
};

/** Faults after which the log names the one that came before. */
const SEEN_AS: Partial<Record<FaultCode, FaultCode>> = { 'close-timeout': 'peer-closed' };

test('every fault is brought about', () => {
  expect(Object.keys(WAYS).sort()).toEqual(Object.keys(FAULTS).sort());
});

function expectNoLeak(wire: string): void {
  for (const leak of [...LEAKS, THEIRS]) expect(wire.toLowerCase()).not.toContain(leak.toLowerCase());
  for (const form of LEAK_FORMS) expect(wire).not.toMatch(form);
}

/** Status and body of an HTTP answer. */
function partsOf(wire: string): string[] {
  return [wire.slice('HTTP/1.1 '.length).slice(0, 3), wire.slice(wire.indexOf('\r\n\r\n') + 4)];
}

describe.each(Object.entries(WAYS))('%s', (code, way) => {
  test('tells a stranger nothing of the inside', async () => {
    const { limits, ...options } = way.options?.() ?? {};
    const served = await serve({ errors: /./, limits: { closeTimeout: 1_000, ...limits }, ...options });
    await way.before?.(served);
    const client = await served.connect();
    const said: Buffer[] = [];
    client.stream.socket.on('data', (bytes: Buffer) => said.push(bytes));
    onTestFinished(() => client.stream.destroy());
    client.stream.write(way.bytes ?? request(way.head));
    if (way.act !== undefined) {
      await client.readAccepted();
      await way.act(client, served);
    }
    // The peers have no part in it any more; a client that stays away for too long is cut, others leave.
    await until('the end', () => client.stream.ending !== 'open');
    client.stream.end();
    await served.peers.close();
    if (way.before === undefined)
      expect((await served.ended())['why']).toBe(SEEN_AS[code as FaultCode] ?? code);
    else await served.logged(new RegExp(`turned away client=\\S+ why=${code}\n`));
    const wire = Buffer.concat(said)
      .toString('latin1')
      .replaceAll(/(?:Date|Sec-WebSocket-Accept): .*\r\n/g, '');
    expect(wire.startsWith('HTTP/1.1 ')).toBe(true);
    // What a flood of the peer's says is the peer's, and the client's to see.
    if (code !== 'client-stalled') expectNoLeak(wire);
    const { status, close, text } = FAULTS[code as FaultCode];
    if (way.act === undefined) expect(partsOf(wire)).toEqual([String(status), `${text}\n`]);
    else if (close !== 1006 && code !== 'client-closed') expect(wire).toContain(text);
  });
});

test('a peer that is not there is not named, nor how it was looked for', async () => {
  const served = await serve({
    backend: { query: async () => ({ peer: `tcp://${INSIDE}.example:${refusing.port}` }) },
    resolver: () => ['127.0.0.1'],
  });
  const client = await served.connect();
  client.send(request());
  const answer = await client.stream.rest();
  client.stream.end();
  const wire = answer.toString('latin1').replace(/Date: .*\r\n/, '');
  expect(partsOf(wire)).toEqual(['502', 'peer unreachable\n']);
  expectNoLeak(wire);
});

test('no peer is told of the client but what the client says', async () => {
  const served = await serve();
  const client = await served.connect();
  client.send(request({ requestLine: `GET /${THEIRS} HTTP/1.1`, add: [`Cookie: ${THEIRS}`] }));
  await client.expectAccepted();
  const stream = await served.peers.accept();
  client.send(clientFrame(TEXT, 'said'), clientFrame(TEXT, Buffer.from([0xff])));
  await client.expectFailed(1007);
  client.stream.end();
  expect((await stream.rest()).toString()).toBe('said');
  stream.end();
});
