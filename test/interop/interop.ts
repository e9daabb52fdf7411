/**
 * One client's tests: that it can be installed, then one for each scenario, without and with compression.
 *
 * What came of it is kept with each test, for the table (table.ts).
 */
import { describe, expect, test } from 'vitest';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { ask, type Report } from './program.ts';
import { type Offer, SCENARIOS, type Scenario, type Stage, Unsupported } from './scenarios.ts';

/** Longer than a scenario may take, so that what was seen until then is told. */
const TEST_DEADLINE = 200_000;
/** For an installation, in milliseconds. */
const INSTALL_DEADLINE = 600_000;

export interface Program {
  /** Without the arguments that are the orchestrator's. */
  readonly command: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

export interface Client {
  /** In the table: the library, and its language if that is not JavaScript. */
  readonly name: string;
  /** Makes its program; throws why it cannot be had. */
  install(): Promise<Program>;
}

/** What the table needs to know of a test. */
export interface Outcome {
  readonly client: string;
  /** Of the client; only with its installation. */
  readonly version?: string;
  /** None for the installation. */
  readonly scenario?: string;
  readonly compressed: boolean;
}

declare module 'vitest' {
  interface TaskMeta {
    outcome?: Outcome;
  }
}

/** Plays a scenario with daemons of its own, which never outlive it, and quotes them if it fails. */
async function perform(scenario: Scenario, program: Program, compressed: boolean): Promise<void> {
  const daemons: Daemon[] = [];
  const stage: Stage = {
    async startDaemon(...args) {
      const daemon = await startDaemon(compressed ? ['--compression', 'on', ...args] : args);
      daemons.push(daemon);
      return daemon;
    },
    async play(daemon, command, args = [], offer: Offer = compressed ? 'on' : 'off') {
      const url = `ws://${daemon.host}:${daemon.port}/`;
      const report = await ask([...program.command, command, url, offer, ...args], program.env);
      judge(report, compressed && offer !== 'off');
      return report;
    },
  };
  try {
    await scenario.play(stage);
  } catch (error) {
    if (error instanceof Error && !(error instanceof Unsupported))
      for (const daemon of daemons) error.message += `\nthe daemon wrote:\n${daemon.output().slice(-4000)}`;
    throw error;
  } finally {
    await Promise.all(daemons.map((daemon) => daemon.stop('SIGKILL')));
  }
}

/** What must hold in every scenario. */
function judge({ unsupported, error, extension }: Report, compressed: boolean): void {
  if (unsupported !== undefined) throw new Unsupported(unsupported);
  if (error !== undefined) throw new Error(error);
  if (compressed) expect(extension, 'the extension that was negotiated').toMatch(/^permessage-deflate\b/);
  else expect(extension, 'the extension that was negotiated').toBe('');
}

/** Declares the tests of a client. */
export function testClient(client: Client): void {
  describe(client.name, () => {
    let program: Program | undefined;

    test('can be installed', { timeout: INSTALL_DEADLINE }, async ({ task }) => {
      task.meta.outcome = { client: client.name, compressed: false };
      const installed = await client.install();
      const { version } = await ask([...installed.command, 'version'], installed.env);
      expect(version).toBeTypeOf('string');
      task.meta.outcome = { client: client.name, compressed: false, version: version! };
      program = installed;
    });

    describe.each([
      ['without compression', false],
      ['with permessage-deflate', true],
    ] as const)('%s', (_, compressed) => {
      for (const scenario of SCENARIOS.filter(({ runs }) => runs !== (compressed ? 'plain' : 'compressed')))
        test(scenario.sentence, { timeout: TEST_DEADLINE }, async ({ task, skip }) => {
          task.meta.outcome = { client: client.name, scenario: scenario.title, compressed };
          if (!program) return skip('could not be installed');
          await perform(scenario, program, compressed).catch((error) => {
            if (error instanceof Unsupported) skip(`not supported by the client: ${error.message}`);
            throw error;
          });
        });
    });
  });
}
