/** The log of a reader that sleeps, goes away or runs out of space: bounded, and honest about it. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LogOutput } from '../../src/observability/log-output.ts';

const MIB = 1024 * 1024;
const LOST = /^\S+ warn {2}log lines lost, for they could not be written lines=(\d+)( error=\w+)?$/;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** What takes bytes when it is told to. */
class Slow {
  text = '';
  #pending: { bytes: Uint8Array; done: (error: Error | null, taken: number) => void } | undefined;

  readonly sink = (bytes: Uint8Array, done: (error: Error | null, taken: number) => void) => {
    expect(this.#pending).toBeUndefined();
    this.#pending = { bytes, done };
  };

  get asked(): boolean {
    return this.#pending !== undefined;
  }

  /** Takes what it was given, or the first bytes of it. */
  take(most = Number.POSITIVE_INFINITY): void {
    const { bytes, done } = this.#pending!;
    const taken = Math.min(most, bytes.length);
    this.#pending = undefined;
    this.text += Buffer.from(bytes.subarray(0, taken)).toString('latin1');
    done(null, taken);
  }

  fail(code: string, lost: 'all' | 'nothing'): void {
    const { bytes, done } = this.#pending!;
    this.#pending = undefined;
    done(Object.assign(new Error(code), { code }), lost === 'all' ? bytes.length : 0);
  }

  takeAll(): string[] {
    while (this.asked) this.take();
    return this.lines;
  }

  get lines(): string[] {
    return this.text.split('\n').slice(0, -1);
  }
}

function line(text: string | number): string {
  return `${text}\n`;
}

/** 1000 bytes. */
function longLine(n: number): string {
  return `${String(n).padStart(999, 'x')}\n`;
}

test('lines come in order, the first at once and the others behind it in one write', () => {
  const slow = new Slow();
  const output = new LogOutput(slow.sink);
  for (let i = 0; i < 100; i += 1) output.write(line(i));
  slow.take();
  expect(slow.lines).toEqual(['0']);
  slow.take();
  expect(slow.lines).toEqual(Array.from({ length: 100 }, (_, i) => String(i)));
  expect(slow.asked).toBe(false);
});

test('what is not ASCII is counted and written as UTF-8', () => {
  const slow = new Slow();
  const output = new LogOutput(slow.sink);
  output.write('grün 😀\n');
  slow.take(4);
  slow.take();
  expect(Buffer.from(slow.text, 'latin1').toString()).toBe('grün 😀\n');
});

test('of lines that nobody takes the last MiB is kept; the others are lost, counted and told of in their place', () => {
  const slow = new Slow();
  const output = new LogOutput(slow.sink);
  for (let i = 0; i < 5_000; i += 1) output.write(longLine(i));
  const lines = slow.takeAll();
  // The first one is under way all the time.
  const kept = Math.floor(MIB / 1000) - 1;
  expect(lines[0]).toBe(longLine(0).trimEnd());
  expect(LOST.exec(lines[1]!)?.[1]).toBe(String(5_000 - 1 - kept));
  expect(lines.slice(2)).toEqual(
    Array.from({ length: kept }, (_, i) => longLine(5_000 - kept + i).trimEnd()),
  );
  output.write(line('after'));
  expect(slow.takeAll().at(-1)).toBe('after');
});

test('each gap is told of where it is', () => {
  const slow = new Slow();
  const output = new LogOutput(slow.sink);
  for (let i = 0; i < 2_000; i += 1) output.write(longLine(i));
  slow.take();
  for (let i = 2_000; i < 4_000; i += 1) output.write(longLine(i));
  const lines = slow.takeAll();
  const seen = lines.flatMap((each) => LOST.exec(each)?.[1] ?? Number(each.replaceAll('x', '')));
  let next = 0;
  for (const each of seen) {
    if (typeof each === 'number') expect(each).toBe(next);
    next += typeof each === 'number' ? 1 : Number(each);
  }
  expect(next).toBe(4_000);
  expect(seen.filter((each) => typeof each === 'string')).toHaveLength(2);
});

test('a line of level error outlives all that comes after it', () => {
  const slow = new Slow();
  const output = new LogOutput(slow.sink);
  output.write(line('first'));
  output.write('error uncaught\n', 'error');
  for (let i = 0; i < 5_000; i += 1) output.write(longLine(i));
  const lines = slow.takeAll();
  expect(lines.slice(0, 2)).toEqual(['first', 'error uncaught']);
  expect(lines[2]).toMatch(LOST);
  expect(lines.at(-1)).toBe(longLine(4_999).trimEnd());
  expect(lines.length - 3 + Number(LOST.exec(lines[2]!)?.[1])).toBe(5_000);
});

test('of nothing but lines of level error no more are kept than of others, and the first and the last are', () => {
  const slow = new Slow();
  const output = new LogOutput(slow.sink);
  for (let i = 0; i < 5_000; i += 1) output.write(longLine(i), 'error');
  const lines = slow.takeAll();
  const first = Math.floor((64 * 1024) / 1000) + 1;
  expect(lines[first - 1]).toBe(longLine(first - 1).trimEnd());
  expect(lines[first]).toMatch(LOST);
  expect(lines.at(-1)).toBe(longLine(4_999).trimEnd());
  expect(lines).toHaveLength(Math.floor(MIB / 1000) + 1);
});

test('a line longer than what is written at once is lost, of whatever level', () => {
  const slow = new Slow();
  const output = new LogOutput(slow.sink);
  output.write(line('first'));
  output.write(line('x'.repeat(256 * 1024)));
  output.write(line('x'.repeat(256 * 1024)), 'error');
  output.write(line('after'));
  const lines = slow.takeAll();
  expect(lines[0]).toBe('first');
  expect(LOST.exec(lines[1]!)?.[1]).toBe('2');
  expect(lines[2]).toBe('after');
});

test('after an error that took nothing, what was to be written goes on where it was, a second later', () => {
  const slow = new Slow();
  const output = new LogOutput(slow.sink);
  output.write('first\n');
  slow.take(2);
  slow.fail('ENOSPC', 'nothing');
  output.write('second\n');
  expect(slow.asked).toBe(false);
  vi.advanceTimersByTime(999);
  expect(slow.asked).toBe(false);
  vi.advanceTimersByTime(1);
  expect(slow.takeAll()).toEqual(['first', 'second']);
});

test('after an error that took all, its lines are counted, and told of when a write works again', () => {
  const slow = new Slow();
  const output = new LogOutput(slow.sink);
  output.write('first\n');
  slow.fail('EPIPE', 'all');
  vi.advanceTimersByTime(1_000);
  // The word about it is lost, too, and still counts one line.
  slow.fail('EPIPE', 'all');
  vi.advanceTimersByTime(1_000);
  const [told] = slow.takeAll();
  expect(LOST.exec(told!)?.slice(1)).toEqual(['1', ' error=EPIPE']);
});

test('an error that goes on keeps no more than the bound, and is tried once a second', () => {
  const slow = new Slow();
  const output = new LogOutput(slow.sink);
  let tries = 0;
  for (let second = 0; second < 60; second += 1) {
    for (let i = 0; i < 100; i += 1) output.write(longLine(i));
    if (slow.asked) {
      tries += 1;
      slow.fail('ENOSPC', 'nothing');
    }
    vi.advanceTimersByTime(1_000);
  }
  expect(tries).toBe(60);
  const lines = slow.takeAll();
  const kept = lines.filter((each) => each.startsWith('x')).length;
  expect(kept).toBe(Math.floor(MIB / 1000));
  expect(LOST.exec(lines[1]!)?.slice(1)).toEqual([String(6_000 - kept), ' error=ENOSPC']);
});

test('what says that it is full is asked again soon, and nothing is lost', () => {
  const slow = new Slow();
  const output = new LogOutput(slow.sink);
  output.write('first\n');
  slow.fail('EAGAIN', 'nothing');
  vi.advanceTimersByTime(10);
  slow.take(0);
  expect(slow.asked).toBe(false);
  vi.advanceTimersByTime(10);
  expect(slow.takeAll()).toEqual(['first']);
});

test('an error without a code of the system’s is told of without its text', () => {
  const slow = new Slow();
  const output = new LogOutput(slow.sink);
  output.write('first\n');
  slow.fail('a\nb', 'all');
  vi.advanceTimersByTime(1_000);
  expect(LOST.exec(slow.takeAll()[0]!)?.[2]).toBe(' error=unknown');
});

/** Whether it has resolved, once all that can happen without time has happened. */
async function resolved(promise: Promise<void>): Promise<boolean> {
  let done = false;
  void promise.then(() => {
    done = true;
  });
  for (let i = 0; i < 10; i += 1) await Promise.resolve();
  return done;
}

test('flush waits for the last line, and no longer', async () => {
  const slow = new Slow();
  const output = new LogOutput(slow.sink);
  expect(await resolved(output.flush())).toBe(true);
  output.write('first\n');
  output.write('second\n');
  const flushed = output.flush();
  slow.take();
  expect(await resolved(flushed)).toBe(false);
  slow.take();
  expect(await resolved(flushed)).toBe(true);
  expect(slow.lines).toEqual(['first', 'second']);
  expect(vi.getTimerCount()).toBe(0);
});

test('flush waits a second for what nobody takes', async () => {
  const slow = new Slow();
  const output = new LogOutput(slow.sink);
  output.write('first\n');
  const flushed = output.flush();
  vi.advanceTimersByTime(999);
  expect(await resolved(flushed)).toBe(false);
  vi.advanceTimersByTime(1);
  expect(await resolved(flushed)).toBe(true);
});

test('flush tries at once what is to be tried again, and gives up at an error', async () => {
  const slow = new Slow();
  const output = new LogOutput(slow.sink);
  output.write('first\n');
  slow.fail('ENOSPC', 'nothing');
  const again = output.flush();
  expect(slow.asked).toBe(true);
  slow.fail('ENOSPC', 'nothing');
  expect(await resolved(again)).toBe(true);
  const good = output.flush();
  expect(slow.takeAll()).toEqual(['first']);
  expect(await resolved(good)).toBe(true);
});

test('flush waits for a terminal that is full for a moment', async () => {
  const slow = new Slow();
  const output = new LogOutput(slow.sink);
  output.write('first\n');
  const flushed = output.flush();
  slow.fail('EAGAIN', 'nothing');
  expect(await resolved(flushed)).toBe(false);
  vi.advanceTimersByTime(10);
  expect(slow.takeAll()).toEqual(['first']);
  expect(await resolved(flushed)).toBe(true);
});
