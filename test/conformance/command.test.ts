/** The command as a whole: its exit statuses, the files that it writes, and what it makes of the suite's program. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { allCases } from '../../conformance/cases.ts';
import { findWstest, type Wstest } from '../../conformance/find-wstest.ts';
import { listCases } from '../../conformance/list-cases.ts';
import type { Server } from './frame-proxy.ts';
import { runConformance } from './runner.ts';
import { wsEcho } from './servers.ts';

const folder = mkdtempSync(join(tmpdir(), 'websocksy-test-'));
const path = (name: string) => join(folder, name);
let server: Server;
let wstest: Wstest;
beforeAll(async () => {
  server = await wsEcho();
  wstest = await findWstest(process.env, process.env['WSTEST_HOME'] || undefined);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

test("cases.json is wstest's own list", async () => {
  expect(await listCases(wstest)).toEqual(allCases());
});

describe('the built daemon', () => {
  test('is started, tested, ended, and its log kept', async () => {
    const found = await runConformance(['--cases', '1.1.*,12.1.1', '--report', path('report')]);
    expect({ status: found.status, passed: found.json?.passed }, found.output).toEqual({
      status: 0,
      passed: 9,
    });
    expect(readdirSync(path('report'))).toEqual(
      expect.arrayContaining([
        'daemon.log',
        'index.html',
        'index.json',
        'server_case_1_1_8.html',
        'wstest.log',
      ]),
    );
    expect(readFileSync(path('report/daemon.log'), 'utf8')).toContain('listening on');
  });

  test('without compression fails the cases about it', async () => {
    const off = ['--daemon-arg=--compression', '--daemon-arg=off'];
    const found = await runConformance([...off, '--cases', '1.1.1,12.1.1,13.7.18']);
    expect({ status: found.status, red: found.red }, found.output).toEqual({
      status: 1,
      red: ['12.1.1', '13.7.18'],
    });
    expect(found.json?.cases['13.7.18']?.behavior).toBe('UNIMPLEMENTED');
  });

  test('that does not start is no deviation but a problem of its own', async () => {
    const found = await runConformance(['--daemon-arg=--no-such-option', '--cases', '1.1.1']);
    expect(found.status).toBe(2);
    expect(found.json).toBeUndefined();
    expect(found.output).toContain('--no-such-option');
  });
});

test('the table goes into its page, and only there', async () => {
  const page = path('page.md');
  writeFileSync(page, 'before\n<!-- conformance -->\nold\n<!-- /conformance -->\nafter\n');
  const { status } = await runConformance(['--url', server.url, '--cases', '1.1', '--markdown', page]);
  expect(status).toBe(0);
  const text = readFileSync(page, 'utf8');
  expect(text).toMatch(/^before\n<!-- conformance -->\n\n.*8 passed, 0 failed/);
  expect(text).toMatch(/\n\n<!-- \/conformance -->\nafter\n$/);
  expect(text).toContain('| 1 framing | 8 | 8 | 0 | 0 | 0 | 0 | 0 | 0 | 8 |');
  expect(text).not.toContain('old');
});

test('JUnit gets a failure for a case that deviates', async () => {
  const file = path('junit.xml');
  const { status } = await runConformance(['--url', server.url, '--cases', '1.1.1,6.4.1', '--junit', file]);
  expect(status).toBe(1);
  const xml = readFileSync(file, 'utf8');
  expect(xml).toContain('<testcase classname="conformance.1" name="1.1.1" time=');
  expect(xml).toContain('<failure message="expected OK, closed OK; got NON-STRICT, closed OK"/>');
});

describe('exit status 2, and nothing runs', () => {
  test.each([
    ['an unknown option', ['--case', '1.1.1'], "'--case'"],
    ['a pattern that means no case', ['--cases', '8.*'], 'no case of the suite matches 8.*'],
    ['a file in a folder that is not there', ['--junit', path('none/junit.xml')], 'none/junit.xml'],
    ['a page without a place for the table', ['--markdown', path('none.md')], 'none.md'],
  ])('%s', async (_what, args, message) => {
    const found = await runConformance(['--url', server.url, ...args]);
    expect({ status: found.status, json: found.json }).toEqual({ status: 2, json: undefined });
    expect(found.output).toContain(message);
  });

  test('a $WSTEST that is none', async () => {
    const found = await runConformance(['--url', server.url, '--cases', '1.1.1'], {
      WSTEST: process.execPath,
    });
    expect(found.status).toBe(2);
    expect(found.output).toContain(process.execPath);
  });
});

describe('a wstest that', () => {
  /** A program that says it is wstest and then does what the lines say. */
  function fake(name: string, lines: string): string {
    const file = path(name);
    writeFileSync(
      file,
      `#!/bin/sh\nif [ "$1" = --autobahnversion ]; then echo 'Autobahn 1'; echo 'AutobahnTestSuite 2'; exit; fi\n${lines}\n`,
    );
    chmodSync(file, 0o755);
    return file;
  }
  const index = `echo '{"server":{"1.1.1":{"behavior":"OK","behaviorClose":"OK"}}}' > index.json`;

  test.each([
    ['says that all is well, and ends with 0', index, [], 0],
    ['has run another case than it was asked to', index.replace('1.1.1', '1.1.2'), [], 1],
    [
      'crashes although its report is complete',
      `${index}\nexit 3`,
      ['wstest ended with status 3, before the first case'],
      1,
    ],
    ['writes no report', 'exit 0', ['wstest has written no report'], 1],
    [
      'writes half a report',
      'echo \'{"server":\' > index.json',
      [expect.stringContaining('cannot be read')],
      1,
    ],
    [
      'falls silent',
      "echo 'Running test case ID 1.1.1 for'\nexec sleep 60",
      ['wstest was ended, at case 1.1.1: no word for 1 s', 'wstest has written no report'],
      1,
    ],
  ])('%s', async (what, lines, problems, status) => {
    const WSTEST = fake(what.replaceAll(' ', '-'), lines);
    const found = await runConformance(['--url', server.url, '--cases', '1.1.1', '--silence', '1'], {
      WSTEST,
    });
    expect(found.json?.problems, found.output).toEqual(problems);
    expect(found.status).toBe(status);
  });

  test('takes too long is ended, and so is it when the runner is', async () => {
    const endless = fake('endless', `while :; do echo 'Running test case ID 1.1.1 for'; sleep 0.1; done`);
    const found = await runConformance(['--url', server.url, '--cases', '1.1.1', '--timeout', '1'], {
      WSTEST: endless,
    });
    expect(found.json?.problems).toContain('wstest was ended, at case 1.1.1: not done after 1 s');

    const runner = spawn(
      process.execPath,
      [
        'dist/conformance/run.js',
        '--url',
        server.url,
        '--cases',
        '1.1.1',
        '--json',
        path('interrupted.json'),
      ],
      { env: { ...process.env, TMPDIR: folder, WSTEST: endless }, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let output = '';
    runner.stdout.on('data', (text: Buffer) => {
      output += text;
      // Only once: a second one is not waited for.
      if (output.includes('1 of 517') && !runner.killed) runner.kill('SIGTERM');
    });
    expect(await once(runner, 'close')).toEqual([1, null]);
    expect(JSON.parse(readFileSync(path('interrupted.json'), 'utf8')).problems[0]).toContain('interrupted');
  });
});
