/** What a rejected promise says; a promise that is fulfilled fails the test. */
import { expect } from 'vitest';

/** @param type what it must be rejected with */
export async function refusal(
  attempt: Promise<unknown>,
  type: abstract new (...parts: never[]) => Error = Error,
): Promise<string> {
  const error = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(type);
  return (error as Error).message;
}
