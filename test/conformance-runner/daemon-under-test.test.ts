/** Programs that behave like a daemon which does something wrong. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { daemonArguments, startDaemon } from '../../conformance/daemon-under-test.ts';

const folder = mkdtempSync(join(tmpdir(), 'websocksy-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let programs = 0;
function program(source: string): string {
  programs += 1;
  const file = join(folder, `daemon${programs}.mjs`);
  writeFileSync(file, source);
  return file;
}

const LISTEN = `
import { createServer } from 'node:net';
const server = createServer();
server.listen(0, '127.0.0.1', () => {
  console.error('2026-11-23T08:53:59.123Z info  listening on ws://127.0.0.1:' + server.address().port);
});
`;
const END_WELL = `process.on('SIGTERM', () => process.exit(0));`;

/** Waits for a connection to a daemon to end, as it does when the daemon dies. */
function untilCut(url: string): Promise<void> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    connect(Number(port), hostname)
      .on('close', () => resolve())
      .on('error', () => {})
      .end('x');
  });
}

describe('a daemon under test', () => {
  test('that does nothing wrong has no problem, and its log can be kept', async () => {
    const daemon = await startDaemon(program(LISTEN + END_WELL), []);
    expect(daemon.url).toMatch(/^ws:\/\/127\.0\.0\.1:\d+$/);
    expect(await daemon.stop()).toEqual([]);
    const log = join(folder, 'kept.log');
    daemon.saveLog(log);
    expect(readFileSync(log, 'utf8')).toContain('listening on');
  });

  test('that dies is a problem', async () => {
    const dying = `${LISTEN}server.on('connection', () => process.exit(7));`;
    const daemon = await startDaemon(program(dying), []);
    await untilCut(daemon.url);
    expect(await daemon.stop()).toEqual([expect.stringMatching(/^the daemon.*status 7$/)]);
  });

  test('that does not end well when it is told to is a problem', async () => {
    const daemon = await startDaemon(program(`${LISTEN}process.on('SIGTERM', () => process.exit(1));`), []);
    expect(await daemon.stop()).toEqual(['the daemon, told to end, ended with status 1']);
  });

  test('that logs errors is a problem, with the first of them', async () => {
    const lines = [1, 2, 3, 4].map(
      (id) => `2026-11-23T08:53:59.123Z error internal id=${id} stack="Error: no"`,
    );
    const harmless = '2026-11-23T08:53:59.123Z info  closed id=5 target=/error why=internal-error';
    const source = `${LISTEN}${END_WELL}console.error(${JSON.stringify([...lines, harmless].join('\n'))});`;
    const daemon = await startDaemon(program(source), []);
    expect(await daemon.stop()).toEqual([
      ...lines.slice(0, 3).map((line) => `the daemon logged: ${line}`),
      'the daemon logged 4 errors in all',
    ]);
  });

  test('that ends before it listens does not start', async () => {
    const refusing = program(`console.error('no such option: ' + process.argv[2]); process.exit(2);`);
    await expect(startDaemon(refusing, ['--x'])).rejects.toThrow(
      'the daemon ended with status 2 before it listened:\nno such option: --x',
    );
  });
});

describe('its arguments', () => {
  test('switch compression on, and change nothing else of how it serves', () => {
    expect(daemonArguments([]).join(' ')).toBe(
      '-l 127.0.0.1 -p 0 -b default -c host=echo:// --compression on',
    );
  });

  test.each([[['--compression', 'off']], [['--compression=off']]])('leave that to %j', (given) => {
    expect(daemonArguments(given).filter((arg) => arg.includes('--compression'))).toEqual([given[0]]);
  });

  test('switch it on beside its own options', () => {
    expect(daemonArguments(['--compression-level', '1']).join(' ')).toMatch(
      /--compression on --compression-level 1$/,
    );
  });
});
