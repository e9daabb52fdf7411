/** What wstest has to say of each case: expected.json, a default and the exceptions from it with their reasons. */
import { readProjectFile } from './project.ts';

export interface Expectation {
  readonly behavior: string;
  readonly behaviorClose: string;
}

export interface Expected {
  readonly default: Expectation;
  readonly exceptions: Readonly<Record<string, Expectation & { readonly reason: string }>>;
}

export function readExpected(): Expected {
  return JSON.parse(readProjectFile('conformance/expected.json')) as Expected;
}

export function expectationOf(id: string, expected: Expected): Expectation {
  return expected.exceptions[id] ?? expected.default;
}
