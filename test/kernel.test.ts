/** The built daemon with the kernel, told to do without it, and where it cannot be had: it does the same each time. */
import { describe, expect, test } from 'vitest';
import { startDaemon } from './support/daemon.ts';
import { BINARY, clientClose, clientFrame, PING, RawClient, TEXT } from './support/raw-client.ts';

const { NODE_OPTIONS: _options, WEBSOCKSY_KERNEL: _kernel, ...ENV } = process.env;

/** Runs a command with an address space of so many KiB: enough for Node, not for what WebAssembly reserves. */
const limited = ['sh', '-c', 'ulimit -v 4000000; exec "$0" "$@"'];

describe.each<[string, NodeJS.ProcessEnv, readonly string[], RegExp]>([
  ['by default', {}, [], / kernel on\n/],
  ['with --kernel off', { WEBSOCKSY_KERNEL: 'off' }, [], / kernel off why=configured\n/],
  [
    'without WebAssembly',
    { NODE_OPTIONS: '--jitless' },
    [],
    / kernel off why="[^"]*without WebAssembly.*"\n/,
  ],
  // How much WebAssembly reserves is V8's affair, and differs.
  ['with little memory', {}, limited, / kernel (on|off why="no address space .*")\n/],
])('a daemon %s', (_how, env, launcher, said) => {
  test('says what it uses, and echoes messages, large ones and Pings', async () => {
    await using daemon = await startDaemon(['-c', 'host=echo://'], { ...ENV, ...env }, launcher);
    const client = await RawClient.open(daemon);
    const large = Buffer.alloc(300_000, 'large ');
    client.send(
      clientFrame(TEXT, 'grüß dich'),
      clientFrame(BINARY, large),
      clientFrame(PING, 'there?'),
      clientFrame(TEXT, 'last'),
      clientClose(1000),
    );
    await client.expectMessage(TEXT, 'grüß dich');
    await client.expectMessage(BINARY, large);
    await client.expectPong('there?');
    await client.expectMessage(TEXT, 'last');
    await client.expectCloseEcho(1000);
    client.stream.end();
    expect(await daemon.stop()).toBe(0);
    expect(daemon.output()).toMatch(said);
  });
});
