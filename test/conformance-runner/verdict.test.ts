import { describe, expect, test } from 'vitest';
import { allCases } from '../../conformance/cases.ts';
import { type Expected, expectationOf, readExpected } from '../../conformance/expected.ts';
import { judge, type Outcome, readIndex, rowsOf } from '../../conformance/verdict.ts';

const EXPECTED: Expected = {
  default: { behavior: 'OK', behaviorClose: 'OK' },
  exceptions: { '7.1.6': { behavior: 'INFORMATIONAL', behaviorClose: 'INFORMATIONAL', reason: 'so' } },
};

/** As wstest writes it, a server by name, then cases by number. */
const INDEX = `{
   "server": {
      "1.1.1": {
         "behavior": "OK",
         "behaviorClose": "OK",
         "duration": 2,
         "remoteCloseCode": 1000,
         "reportfile": "server_case_1_1_1.json"
      },
      "7.1.6": {
         "behavior": "INFORMATIONAL",
         "behaviorClose": "INFORMATIONAL",
         "duration": 14,
         "remoteCloseCode": null,
         "reportfile": "server_case_7_1_6.json"
      }
   }
}`;

const outcome = (behavior: string, behaviorClose = 'OK'): Outcome => ({
  behavior,
  behaviorClose,
  remoteCloseCode: 1000,
  duration: 1,
  reportfile: 'x.json',
});

describe('a verdict', () => {
  test('passes what is exactly as expected', () => {
    const verdict = judge(['1.1.1', '7.1.6'], readIndex(INDEX, 'server'), EXPECTED, []);
    expect(verdict).toMatchObject({ passed: 2, failed: 0, problems: [] });
    expect(verdict.cases.map(({ id, passed }) => [id, passed])).toEqual([
      ['1.1.1', true],
      ['7.1.6', true],
    ]);
  });

  test.each([
    ['a case that has failed', outcome('FAILED')],
    ['one that has passed, but not strictly', outcome('NON-STRICT')],
    ['one whose feature is not there', outcome('UNIMPLEMENTED')],
    ['one that was closed with another code', outcome('OK', 'WRONG CODE')],
    ['one whose end was not clean', outcome('OK', 'UNCLEAN')],
    ['one with a result that nobody has heard of', outcome('ok')],
  ])('fails %s', (_what, result) => {
    const verdict = judge(['1.1.1', '1.1.2'], { '1.1.1': outcome('OK'), '1.1.2': result }, EXPECTED, []);
    expect(verdict).toMatchObject({ passed: 1, failed: 1 });
    expect(verdict.cases.find(({ passed }) => !passed)).toMatchObject({ id: '1.1.2', outcome: result });
  });

  test('fails an exception that came out better than it was said to', () => {
    expect(judge(['7.1.6'], { '7.1.6': outcome('OK') }, EXPECTED, [])).toMatchObject({
      passed: 0,
      failed: 1,
    });
  });

  test('fails a selected case that has not run', () => {
    const verdict = judge(['1.1.1', '1.1.2'], { '1.1.1': outcome('OK') }, EXPECTED, []);
    expect(verdict).toMatchObject({ passed: 1, failed: 1 });
    expect(verdict.cases[1]).toMatchObject({ id: '1.1.2', outcome: undefined, passed: false });
  });

  test('fails a case that has run although it was not selected', () => {
    const verdict = judge(['1.1.1'], { '1.1.1': outcome('OK'), '1.1.2': outcome('OK') }, EXPECTED, []);
    expect(verdict).toMatchObject({ passed: 1, failed: 1 });
    expect(verdict.cases[1]).toMatchObject({ id: '1.1.2', expected: undefined });
  });

  test('fails for a problem although every case is well', () => {
    const verdict = judge(['1.1.1'], { '1.1.1': outcome('OK') }, EXPECTED, ['the daemon died']);
    expect(verdict).toMatchObject({ passed: 1, failed: 1, problems: ['the daemon died'] });
  });

  test('is counted by section, and in sum', () => {
    const outcomes = {
      '1.1.1': outcome('OK'),
      '1.1.2': outcome('NON-STRICT', 'UNCLEAN'),
      '7.1.6': outcome('INFORMATIONAL', 'INFORMATIONAL'),
    };
    const { sections, sum } = rowsOf(judge(['1.1.1', '1.1.2', '1.1.3', '7.1.6'], outcomes, EXPECTED, []));
    const first = {
      section: '1',
      cases: 3,
      behaviors: { OK: 1, 'NON-STRICT': 1 },
      notRun: 1,
      wrongClose: 1,
      passed: 1,
    };
    const second = {
      section: '7',
      cases: 1,
      behaviors: { INFORMATIONAL: 1 },
      notRun: 0,
      wrongClose: 0,
      passed: 1,
    };
    expect(sections).toEqual([first, second]);
    expect(sum).toEqual({
      section: 'all',
      cases: 4,
      behaviors: { OK: 1, 'NON-STRICT': 1, INFORMATIONAL: 1 },
      notRun: 1,
      wrongClose: 1,
      passed: 2,
    });
  });
});

describe('the index of a report', () => {
  test('without the server means that no case has run', () => {
    expect(readIndex('{}', 'server')).toEqual({});
  });

  test.each([
    '',
    '{"server":',
    '{"server": []',
    '{"server": {"1.1.1": {}}}',
    '{"server": {"1.1.1": null}}',
    '{"server": 1}',
  ])('that is %s is refused', (text) => {
    expect(() => readIndex(text, 'server')).toThrow();
  });
});

describe('expected.json', () => {
  const expected = readExpected();

  test('expects a strict pass of all but three cases', () => {
    const others = allCases().filter((id) => {
      const { behavior, behaviorClose } = expectationOf(id, expected);
      return behavior !== 'OK' || behaviorClose !== 'OK';
    });
    expect(others).toEqual(['7.1.6', '7.13.1', '7.13.2']);
    expect(Object.keys(expected.exceptions)).toEqual(others);
  });

  test('gives each exception a reason', () => {
    for (const { reason } of Object.values(expected.exceptions)) expect(reason).toMatch(/\w/);
  });
});
