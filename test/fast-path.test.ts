/**
 * The fast way where it is to be had, and each reason why it may not be: then a daemon says so when it starts, and
 * bridges without it. What is missing is taken away in this process; test/kernel.test.ts has daemons that really lack it.
 */
import { afterEach, describe, expect, test, vi } from 'vitest';
import type * as FastPathModule from '../src/fast-path.ts';
import type * as InProcess from './support/in-process.ts';
import { BINARY, clientFrame, TEXT } from './support/raw-client.ts';

afterEach(() => {
  vi.unstubAllGlobals();
  vi.doUnmock('../src/transports/direct-write.ts');
  vi.resetModules();
});

/** The module as it is when a process first loads it. */
async function fresh(): Promise<typeof FastPathModule> {
  vi.resetModules();
  return import('../src/fast-path.ts');
}

/** Bridges messages both ways, small and large ones, and returns what the daemon has said of the kernel. */
async function bridged(kernel: 'auto' | 'off' = 'auto'): Promise<string> {
  const { serve } = (await import('./support/in-process.ts')) as typeof InProcess;
  const served = await serve({ framing: 'binary', kernel });
  const { client, peer } = await served.bridge();
  const large = Buffer.alloc(1_000_000, 'large ');
  client.send(clientFrame(TEXT, 'small'), clientFrame(BINARY, large));
  expect((await peer.take(5)).toString()).toBe('small');
  expect((await peer.take(large.length)).equals(large)).toBe(true);
  peer.write('answer');
  await client.expectMessage(BINARY, 'answer');
  return (await served.logged(/ kernel /)).replace(/^.* kernel /, '').trim();
}

describe('the fast way', () => {
  test.skipIf(!('WebAssembly' in globalThis))('is there, once for the process', async () => {
    const { fastPath, makeFastPath } = await fresh();
    const fast = fastPath();
    expect(fast).toMatchObject({ kernel: expect.anything(), slabs: expect.anything() });
    expect(fastPath()).toBe(fast);
    expect(makeFastPath()).not.toBe(fast);
    expect(await bridged()).toBe('on');
  });

  test('is not taken if it is configured so', async () => {
    await fresh();
    expect(await bridged('off')).toBe('off why=configured');
  });

  test('is not there without WebAssembly', async () => {
    vi.stubGlobal('WebAssembly', undefined);
    const { fastPath } = await fresh();
    const problem = 'this Node runs without WebAssembly (--jitless)';
    expect(fastPath()).toEqual({ problem });
    expect(await bridged()).toBe(`off why="${problem}"`);
  });

  test.skipIf(!('WebAssembly' in globalThis)).each([
    ['Memory', 'could not allocate', 'no address space for its memory (ulimit -v): could not allocate'],
    ['Module', 'SIMD unsupported', 'no WebAssembly SIMD on this machine: SIMD unsupported'],
  ])('is not there if WebAssembly.%s says that it %s', async (name, message, problem) => {
    const { WebAssembly } = globalThis as unknown as { WebAssembly: Record<string, unknown> };
    class Failing {
      constructor() {
        throw new RangeError(message);
      }
    }
    const { Memory, Module, Instance } = WebAssembly;
    vi.stubGlobal('WebAssembly', { Memory, Module, Instance, [name]: Failing });
    const { fastPath } = await fresh();
    expect(fastPath()).toEqual({ problem });
    expect(await bridged()).toBe(`off why="${problem}"`);
  });

  test('is not there if the sockets of this Node are written to in an unknown way', async () => {
    vi.resetModules();
    vi.doMock('../src/transports/direct-write.ts', () => ({ directWrite: undefined }));
    const { fastPath } = await import('../src/fast-path.ts');
    const problem = `the sockets of Node ${process.version} are not as they are known`;
    expect(fastPath()).toEqual({ problem });
    expect(await bridged()).toBe(`off why="${problem}"`);
  });
});
