/** What people, programs and pages are shown. */
import { describe, expect, test } from 'vitest';
import type { Expected } from '../../conformance/expected.ts';
import { parseCases } from '../../conformance/list-cases.ts';
import { Progress } from '../../conformance/progress.ts';
import {
  type Circumstances,
  replaceBetween,
  toJson,
  toJunit,
  toMarkdown,
} from '../../conformance/results.ts';
import { summary } from '../../conformance/summary.ts';
import { judge, type Outcome } from '../../conformance/verdict.ts';

const EXPECTED: Expected = { default: { behavior: 'OK', behaviorClose: 'OK' }, exceptions: {} };
const outcome = (behavior: string, behaviorClose: string): Outcome => ({
  behavior,
  behaviorClose,
  remoteCloseCode: 1000,
  duration: 1500,
  reportfile: 'x.json',
});
const GREEN = judge(['3.1'], { '3.1': outcome('OK', 'OK') }, EXPECTED, []);
const RED = judge(
  ['3.1', '3.2', '12.1.1'],
  { '3.1': outcome('OK', 'OK'), '3.2': outcome('FAILED', 'WRONG CODE') },
  EXPECTED,
  ['wstest ended with status 1, at "<12.1.1>"'],
);
const CIRCUMSTANCES: Circumstances = {
  date: new Date('2026-11-23T10:00:00Z'),
  seconds: 90,
  server: 'ws://127.0.0.1:1/',
  wstest: 'AutobahnTestSuite 0.8.2',
  node: '20.0.0',
  system: 'Linux',
};

describe('the summary', () => {
  test('of a green run is the table and the sums', () => {
    expect(summary(GREEN, () => 'not asked for')).toBe(
      [
        'section          cases  OK  NON-STRICT  FAILED  INFORMATIONAL  UNIMPLEMENTED  wrong close  not run  as expected',
        '3 reserved bits      1   1           0       0              0              0            0        0            1',
        'all                  1   1           0       0              0              0            0        0            1',
        '',
        '1 passed, 0 failed',
        '',
      ].join('\n'),
    );
  });

  test('of a red one has each deviation with what was expected and what wstest said, and each problem', () => {
    const text = summary(RED, (id) => (id === '3.2' ? 'Actual events differ.' : undefined));
    expect(text.slice(text.indexOf('\n\n'))).toBe(`

3.2: expected OK, closed OK
     got FAILED, closed WRONG CODE
     wstest: Actual events differ.
selected and not run: 12.1.1
problem: wstest ended with status 1, at "<12.1.1>"

1 passed, 3 failed
`);
  });
});

describe('the progress', () => {
  const run = (terminal: boolean) => {
    let text = '';
    let time = 0;
    const write = (more: string) => {
      text += more;
    };
    const progress = new Progress(3, write, { terminal, now: () => time });
    for (const id of ['2.11', '3.1', '3.2']) {
      progress.begin(id);
      time += 1500;
    }
    progress.end();
    return text;
  };

  test('is a line for each section', () => {
    expect(run(false)).toBe(
      '[1/3] section 2, pings and pongs: 1 run in 1.5 s\n[3/3] section 3, reserved bits: 2 run in 3.0 s\n',
    );
  });

  test('on a terminal shows each case too, in a line that is written over', () => {
    const lines = run(true).split('\r\x1b[K');
    expect(lines).toEqual([
      '',
      '[1/3] 2.11 pings and pongs',
      '[1/3] section 2, pings and pongs: 1 run in 1.5 s\n',
      '[2/3] 3.1 reserved bits',
      '[3/3] 3.2 reserved bits',
      '[3/3] section 3, reserved bits: 2 run in 3.0 s\n',
    ]);
  });
});

test('the JSON has each case, the problems, the sums and what they are worth only with', () => {
  const json = JSON.parse(toJson(RED, CIRCUMSTANCES));
  expect(json).toMatchObject({ passed: 1, failed: 3, server: 'ws://127.0.0.1:1/', problems: RED.problems });
  expect(Object.keys(json.cases)).toEqual(['3.1', '3.2', '12.1.1']);
  expect(json.cases['3.2']).toMatchObject({ passed: false, behavior: 'FAILED', behaviorClose: 'WRONG CODE' });
  expect(json.cases['12.1.1']).toMatchObject({ passed: false, behavior: null });
});

test('the JUnit XML has a failure for each case that deviates, and an error for each problem', () => {
  expect(toJunit(RED, CIRCUMSTANCES)).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="Autobahn" tests="4" failures="2" errors="1" time="90" timestamp="2026-11-23T10:00:00.000Z">
  <testsuite name="3 reserved bits" tests="2" failures="1" errors="0">
    <testcase classname="conformance.3" name="3.1" time="1.5"/>
    <testcase classname="conformance.3" name="3.2" time="1.5">
      <failure message="expected OK, closed OK; got FAILED, closed WRONG CODE"/>
    </testcase>
  </testsuite>
  <testsuite name="12 compression, of five kinds of data" tests="1" failures="1" errors="0">
    <testcase classname="conformance.12" name="12.1.1" time="0">
      <failure message="expected OK, closed OK; got not run"/>
    </testcase>
  </testsuite>
  <testsuite name="the run" tests="1" failures="0" errors="1">
    <testcase classname="conformance" name="the run">
      <error message="wstest ended with status 1, at &quot;&lt;12.1.1&gt;&quot;"/>
    </testcase>
  </testsuite>
</testsuites>
`);
});

describe('the page', () => {
  test('gets the table, with what it was made with, and the deviations', () => {
    const text = toMarkdown(RED, CIRCUMSTANCES);
    expect(text).toMatch(/^2026-11-23: 1 passed, 3 failed, in 2 minutes\.\n/);
    expect(text).toContain('\n| 3 reserved bits | 2 | 1 | 0 | 1 | 0 | 0 | 1 | 0 | 1 |\n');
    expect(text).toContain('\n| all | 3 | 1 | 0 | 1 | 0 | 0 | 1 | 1 | 1 |\n');
    expect(text).toContain('`ws://127.0.0.1:1/`; AutobahnTestSuite 0.8.2; Node.js 20.0.0; Linux.');
    expect(text).toContain('\n- 12.1.1: expected OK, closed OK; got not run\n');
  });

  test('is changed between the two lines only', () => {
    const page = 'a\n<!-- conformance -->\nold\n<!-- /conformance -->\nb\n';
    const once = replaceBetween(page, 'new');
    expect(once).toBe('a\n<!-- conformance -->\n\nnew\n\n<!-- /conformance -->\nb\n');
    expect(replaceBetween(once, 'new')).toBe(once);
  });

  test.each([
    ['neither', 'a\n'],
    ['no second one', '<!-- conformance -->\n'],
    ['them the wrong way round', '<!-- /conformance -->\n<!-- conformance -->\n'],
    ['the first one twice', '<!-- conformance -->\n<!-- conformance -->\n<!-- /conformance -->\n'],
    ['one inside a line', 'see <!-- conformance -->\n<!-- /conformance -->\n'],
  ])('with %s is refused', (_what, page) => {
    expect(() => replaceBetween(page, 'new')).toThrow('the page does not have one line <!-- conformance -->');
  });
});

describe("wstest's list of its cases", () => {
  test('is read from what it prints', () => {
    expect(parseCases("Ok, will run\nCases = ['1.1.1', '1.1.2', '10.1.1']\nServers = [u'ws://h']\n")).toEqual(
      ['1.1.1', '1.1.2', '10.1.1'],
    );
  });

  test.each(['', 'Cases = []', "Cases = ['1.1.1', x]"])('that is %j is refused', (log) => {
    expect(() => parseCases(log)).toThrow('wstest does not list its cases');
  });
});
