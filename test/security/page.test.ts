/** docs/security.md against the tests that it names and the backend that it shows. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startDaemon } from '../support/daemon.ts';
import { problemOf } from '../support/named-tests.ts';
import { RawClient, request } from '../support/raw-client.ts';

const ROOT = new URL('../../', import.meta.url);
const page = readFileSync(new URL('docs/security.md', ROOT), 'utf8');

/** The table of weaknesses: id, whose, what, why not here, test. */
const rows = page
  .split('\n## ')
  .find((section) => section.startsWith('Weaknesses'))!
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| id |'))
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );

/** An advisory, or a thread of a project's where there is none. */
const ID = /^(CVE-20\d\d-\d{4,}|GHSA(-[2-9cfghjmpqrvwx]{4}){3}|[\w.-]+\/[\w.-]+#\d+)$/;

test('has rows of five cells, and many of them', () => {
  expect(rows.filter((cells) => cells.length !== 5 || cells.includes(''))).toEqual([]);
  expect(rows.length).toBeGreaterThanOrEqual(40);
});

test('names advisories as their issuers do, each of them once', () => {
  const ids = rows.flatMap(([id]) => id!.split(/[,;] /)).filter((id) => id !== '–');
  expect(ids.filter((id) => !ID.test(id))).toEqual([]);
  expect(ids.filter((id, at) => ids.indexOf(id) !== at)).toEqual([]);
});

describe('each row has its tests', () => {
  test.each(rows)('%s, %s: %s', (_id, _of, _what, _why, tests) => {
    for (const each of tests!.split('<br>')) expect(problemOf(each)).toBeUndefined();
  });
});

test('each file of tests here is named by a row', () => {
  const files = readdirSync(new URL('test/security/', ROOT)).filter((name) => name.endsWith('.test.ts'));
  expect(files.filter((name) => !page.includes(`\`test/security/${name} › `))).toEqual([]);
});

test('the backend of the page lets one site in, and no other', async () => {
  const [, code] = /```js\n([\s\S]*?)```/.exec(page)!;
  const folder = mkdtempSync(join(tmpdir(), 'websocksy-origin-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'by-origin.mjs');
  writeFileSync(file, code!.replace('tcp://localhost:5900', 'echo://'));
  await using daemon = await startDaemon(['-b', file]);
  for (const [origin, status] of [
    ['https://app.example', 101],
    ['https://app.example.evil.example', 403],
    ['https://evil.example', 403],
    ['http://app.example', 403],
    ['https://app.example:8443', 403],
    ['null', 403],
    [undefined, 403],
  ] as const) {
    const client = await RawClient.connect(daemon);
    client.send(request({ add: origin === undefined ? [] : [`Origin: ${origin}`] }));
    expect((await client.readResponse()).status, origin).toBe(status);
    client.stream.end();
  }
});
