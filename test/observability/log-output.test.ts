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

test('lines that nobody takes wait up to 1 MiB, then they are lost, counted and told of', () => {
  const slow = new Slow();
  const output = new LogOutput(slow.sink);
  for (let i = 0; i < 5_000; i += 1) output.write(longLine(i));
  const lines = slow.takeAll();
  const kept = Math.floor(MIB / 1000);
  expect(lines.slice(0, kept)).toEqual(Array.from({ length: kept }, (_, i) => longLine(i).trimEnd()));
  expect(lines).toHaveLength(kept + 1);
  expect(LOST.exec(lines.at(-1)!)?.[1]).toBe(String(5_000 - kept));
  output.write(line('after'));
  expect(slow.takeAll().at(-1)).toBe('after');
});

test('lines lost to a reader that is slow and never done are told of once half of it is read', () => {
  const slow = new Slow();
  const output = new LogOutput(slow.sink);
  for (let i = 0; i < 2_000; i += 1) output.write(longLine(i));
  while (slow.text.length <= MIB / 2 + 1000) slow.take();
  output.write(line('after'));
  const lines = slow.takeAll();
  expect(lines.filter((each) => LOST.test(each))).toHaveLength(1);
  expect(lines.at(-2)).toMatch(LOST);
  expect(lines.at(-1)).toBe('after');
});

test('a line of level error gets in when all is full, and the oldest that wait are lost for it', () => {
  const slow = new Slow();
  const output = new LogOutput(slow.sink);
  for (let i = 0; i < 2_000; i += 1) output.write(longLine(i));
  const last = `error ${'y'.repeat(993)}\n`;
  output.write(last, 'error');
  const lines = slow.takeAll();
  expect(lines).toContain(last.trimEnd());
  const kept = lines.filter((each) => each.startsWith('x')).length;
  expect(kept + Number(LOST.exec(lines.at(-1)!)?.[1])).toBe(2_000);
  expect(lines[1]).not.toBe(longLine(1).trimEnd());
});

test('a line longer than all that may wait is lost, of whatever level', () => {
  const slow = new Slow();
  const output = new LogOutput(slow.sink);
  output.write(line('x'.repeat(MIB)));
  output.write(line('x'.repeat(MIB)), 'error');
  expect(slow.asked).toBe(false);
  output.write(line('after'));
  const lines = slow.takeAll();
  expect(LOST.exec(lines[0]!)?.[1]).toBe('2');
  expect(lines[1]).toBe('after');
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
  expect(LOST.exec(lines.at(-1)!)?.slice(1)).toEqual([String(6_000 - kept), ' error=ENOSPC']);
});

test('what says that it is full is asked again soon, and nothing is lost', () => {
  const slow = new Slow();
  const output = new LogOutput(slow.sink);
  output.write('first\n');
  slow.fail('EAGAIN', 'nothing');
  vi.advanceTimersByTime(50);
  slow.take(0);
  expect(slow.asked).toBe(false);
  vi.advanceTimersByTime(50);
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
  vi.advanceTimersByTime(50);
  expect(slow.takeAll()).toEqual(['first']);
  expect(await resolved(flushed)).toBe(true);
});
