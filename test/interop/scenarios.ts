/**
 * The scenarios: what each client does with the daemon, and what must be seen on either side.
 *
 * The client's half of a scenario is a command of its program (README.md); here are the daemon, its peer, and the
 * judgement.
 */
import { expect } from 'vitest';
import type { Daemon } from '../support/daemon.ts';
import type { Report } from './program.ts';
import { startEcho, startEnding, startSilent } from './tcp-peers.ts';

const MiB = 1024 * 1024;
/** The default bound of a message towards the echo peer, in bytes. */
const LARGEST_MESSAGE = 16 * MiB;
const ECHO = ['-c', 'host=echo://'];

/** The library cannot do what was asked. */
export class Unsupported extends Error {}

/** What a client is asked to offer: nothing, what it offers by itself, or what is named. */
export type Offer = 'off' | 'on' | 'no-takeover' | `window=${number}`;

/** What a scenario is played with. */
export interface Stage {
  /** Starts the daemon, which compresses if this is the run with compression; it ends with the test. */
  startDaemon(...args: string[]): Promise<Daemon>;
  /**
   * Has the client connect, play a command, and end.
   *
   * Checks that nothing went wrong on its side, and that exactly a connection with compression on both sides has the
   * extension. `offer` is by default that of the run.
   */
  play(daemon: Daemon, command: string, args?: readonly string[], offer?: Offer): Promise<Report>;
}

export interface Scenario {
  /** In the table. */
  readonly title: string;
  /** What a client does, as the rest of a test's name. */
  readonly sentence: string;
  /** Whether it is one of both runs, or of one alone. */
  readonly runs: 'both' | 'plain' | 'compressed';
  play(stage: Stage): Promise<unknown>;
}

/** Ends the daemon in order and expects its log to have one line that a client closed with this code. */
async function expectClosedByClient(daemon: Daemon, code: number): Promise<void> {
  await daemon.stop();
  const lines = daemon.output().match(new RegExp(`why=client-closed code=${code}\\b`, 'g')) ?? [];
  expect(lines.length, `connections that the daemon's log says were closed with ${code}`).toBe(1);
}

/** The value of a parameter in a Sec-WebSocket-Extensions; true if it has none, undefined if it is not there. */
function parameter(extension: string | undefined, name: string): string | true | undefined {
  const found = (extension ?? '').split(';').find((part) => part.trim().split('=')[0] === name);
  return found && (found.split('=')[1]?.replace(/[" ]/g, '') ?? true);
}

/** How many bytes of all connections were not sent because they went compressed, by the log of a daemon that has ended. */
function saved(daemon: Daemon, way: 'up' | 'down'): number {
  const figures = [...daemon.output().matchAll(new RegExp(`\\bsaved-${way}=(\\d+)`, 'g'))];
  return figures.reduce((sum, [, bytes]) => sum + Number(bytes), 0);
}

/** Messages of these sizes, text and binary, go to the echo peer and come back; then the client closes with 1000. */
async function playEcho({ startDaemon, play }: Stage, sizes: readonly number[]): Promise<Daemon> {
  const daemon = await startDaemon(...ECHO);
  await play(daemon, 'echo', sizes.map(String));
  await expectClosedByClient(daemon, 1000);
  return daemon;
}

/**
 * Messages that repeat others go to the echo peer and come back, which fails if the two sides do not have the same
 * window and the same context.
 *
 * @returns the extension as it was negotiated
 */
async function playRepeats(
  { startDaemon, play }: Stage,
  offer?: Offer,
  daemonOptions: readonly string[] = [],
): Promise<string | undefined> {
  const daemon = await startDaemon(...ECHO, ...daemonOptions);
  const { extension } = await play(daemon, 'repeats', [], offer);
  await expectClosedByClient(daemon, 1000);
  return extension;
}

export const SCENARIOS: readonly Scenario[] = [
  {
    title: 'text and binary, 0 B to 1 MiB',
    sentence: 'gets text and binary messages of 0 bytes to 1 MiB back, byte for byte',
    runs: 'both',
    play: (stage) => playEcho(stage, [0, 1, 125, 126, 127, 65_535, 65_536, MiB]),
  },
  {
    title: 'text and binary, 16 MiB',
    sentence: 'gets text and binary messages of 16 MiB back, byte for byte',
    runs: 'both',
    play: (stage) => playEcho(stage, [LARGEST_MESSAGE]),
  },
  {
    title: '1,000 messages in flight',
    sentence: 'gets 1,000 messages that are under way at once back in order',
    runs: 'both',
    async play({ startDaemon, play }) {
      const daemon = await startDaemon(...ECHO);
      await play(daemon, 'flood', ['1000']);
      await expectClosedByClient(daemon, 1000);
    },
  },
  {
    title: '8 MiB through a TCP server',
    sentence: 'gets 8 MiB back that go through a TCP server',
    runs: 'both',
    async play({ startDaemon, play }) {
      await using peer = await startEcho();
      const daemon = await startDaemon(...peer.options);
      await play(daemon, 'stream', [String(8 * MiB)]);
      expect(peer.received(), 'bytes that came to the TCP server').toBe(8 * MiB);
      await expectClosedByClient(daemon, 1000);
    },
  },
  {
    title: 'closes with 1000, 3000, 4999',
    sentence: 'closes with 1000, 3000 and 4999 and a reason, and gets its code back',
    runs: 'both',
    async play({ startDaemon, play }) {
      const codes = [1000, 3000, 4999];
      const daemon = await startDaemon(...ECHO);
      for (const code of codes) {
        const report = await play(daemon, 'close', [String(code), 'genug für heute 🎈']);
        expect(report.code, 'the code that came back').toBe(code);
      }
      for (const code of codes) await expectClosedByClient(daemon, code);
    },
  },
  {
    title: "peer's end: 1000",
    sentence: 'is told by 1000 that the TCP server has ended',
    runs: 'both',
    async play({ startDaemon, play }) {
      await using peer = await startEnding();
      const { code, reason } = await play(await startDaemon(...peer.options), 'wait', ['4']);
      expect({ code, reason }).toEqual({ code: 1000, reason: 'peer closed' });
    },
  },
  {
    title: '16 MiB + 1: 1009',
    sentence: 'is told by 1009 that a message is one byte too large',
    runs: 'both',
    async play({ startDaemon, play }) {
      const daemon = await startDaemon(...ECHO);
      const { code, reason } = await play(daemon, 'wait', [String(LARGEST_MESSAGE + 1)]);
      await daemon.stop();
      expect(daemon.output()).toContain('why=message-too-large');
      expect({ code, reason }).toEqual({ code: 1009, reason: 'message too large' });
    },
  },
  {
    title: 'SIGTERM: 1001',
    sentence: 'is told by 1001 that the daemon stops',
    runs: 'both',
    async play({ startDaemon, play }) {
      await using peer = await startSilent();
      const daemon = await startDaemon(...peer.options);
      const playing = play(daemon, 'wait', ['4']);
      await Promise.race([peer.reached, playing]);
      expect(await daemon.stop('SIGTERM'), "the daemon's exit status").toBe(0);
      const { code, reason } = await playing;
      expect({ code, reason }).toEqual({ code: 1001, reason: 'server shutting down' });
    },
  },
  {
    title: 'subprotocols',
    sentence: 'offers three subprotocols and is given the one that is configured',
    runs: 'both',
    async play({ startDaemon, play }) {
      const daemon = await startDaemon(...ECHO, '-c', 'protocol=mqtt');
      const { subprotocol } = await play(daemon, 'subprotocol', ['binary', 'mqtt', 'v1.of-ours']);
      expect(subprotocol, 'the subprotocol').toBe('mqtt');
    },
  },
  {
    title: 'fragments',
    sentence: 'gets messages back that it sends in fragments, cut inside of characters',
    runs: 'both',
    async play({ startDaemon, play }) {
      const daemon = await startDaemon(...ECHO);
      await play(daemon, 'fragments');
      await expectClosedByClient(daemon, 1000);
    },
  },
  {
    title: 'Ping',
    sentence: 'gets a Pong for its Ping',
    runs: 'both',
    async play({ startDaemon, play }) {
      const daemon = await startDaemon(...ECHO);
      await play(daemon, 'ping');
      await expectClosedByClient(daemon, 1000);
    },
  },
  {
    title: 'its offer is declined',
    sentence: 'goes on without compression if the daemon declines what it offers',
    runs: 'plain',
    play: (stage) => playRepeats(stage, 'on'),
  },
  {
    title: 'what the daemon sends is compressed',
    sentence: 'is sent compressible text compressed',
    runs: 'compressed',
    async play(stage) {
      const daemon = await playEcho(stage, [MiB]);
      expect(saved(daemon, 'down'), 'bytes of a text of 1 MiB that were not sent').toBeGreaterThan(MiB / 2);
    },
  },
  {
    title: 'what it sends is compressed',
    sentence: 'sends compressible text compressed',
    runs: 'compressed',
    async play(stage) {
      const daemon = await playEcho(stage, [MiB]);
      if (saved(daemon, 'up') < MiB / 2) throw new Unsupported('it sends nothing compressed');
    },
  },
  {
    title: 'repetitions, far apart',
    sentence: 'gets messages back that repeat what was 20,000 bytes before',
    runs: 'compressed',
    play: (stage) => playRepeats(stage),
  },
  {
    title: 'asks for no context takeover',
    sentence: 'asks that no context is kept, either way, and is granted it',
    runs: 'compressed',
    async play(stage) {
      const extension = await playRepeats(stage, 'no-takeover');
      expect(parameter(extension, 'server_no_context_takeover'), `in '${extension}'`).toBe(true);
    },
  },
  {
    title: 'asks for windows of 9 to 15 bits',
    sentence: 'asks for windows of 9 to 15 bits, either way, and is granted each',
    runs: 'compressed',
    async play(stage) {
      for (let bits = 9; bits <= 15; bits += 1) {
        const extension = await playRepeats(stage, `window=${bits}`);
        const granted = Number(parameter(extension, 'server_max_window_bits') ?? 15);
        expect(granted, `server_max_window_bits in '${extension}'`).toBeLessThanOrEqual(bits);
      }
    },
  },
  {
    title: '`--compression-takeover none`',
    sentence: 'gets messages back from a daemon that keeps no context, either way',
    runs: 'compressed',
    play: (stage) => playRepeats(stage, 'on', ['--compression-takeover', 'none']),
  },
  {
    title: '`--compression-window-bits 9`',
    sentence: 'gets messages back from a daemon whose windows are of 9 bits, either way',
    runs: 'compressed',
    play: (stage) => playRepeats(stage, 'on', ['--compression-window-bits', '9']),
  },
];
