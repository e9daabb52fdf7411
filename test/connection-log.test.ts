/** What the log has of a client's words: enough to find the connection, and none of its secrets. */
import { expect, test } from 'vitest';
import { ConnectionLog } from '../src/connection-log.ts';
import { Fault } from '../src/errors.ts';
import { Counters } from '../src/observability/counters.ts';
import { createLogger } from '../src/observability/logger.ts';
import type { Plan } from '../src/routing.ts';
import { parseAddress } from '../src/transports/address.ts';
import type { Transport } from '../src/transports/transport.ts';

const SECRET = 'S3CR3T';

const PLAN = {
  address: parseAddress('tcp://127.0.0.1:5900'),
  framingName: 'binary',
  subprotocol: undefined,
  notice: undefined,
} as unknown as Plan;

const CLIENT = { undelivered: 0, dropped: 0 } as unknown as Transport;

function story(): { log: ConnectionLog; lines: string[] } {
  const lines: string[] = [];
  const logger = createLogger('trace', (line) => lines.push(line));
  return { log: new ConnectionLog(7, logger, new Counters(), '192.0.2.7', 52344), lines };
}

function ended(why: Fault, target = '/'): string {
  const { log, lines } = story();
  log.asked(target);
  log.ended({
    plan: undefined,
    status: 400,
    carried: undefined,
    saved: undefined,
    client: CLIENT,
    peer: undefined,
    lost: 0,
    unsent: 0,
    late: 0,
    unframed: 0,
    why,
  });
  expect(lines).toHaveLength(1);
  return lines[0]!;
}

test('the target has no token when a connection opens, nor when it ends', () => {
  const target = `/vnc/7?user=alice&access_token=${SECRET}`;
  const { log, lines } = story();
  log.asked(target);
  log.opened(PLAN, undefined);
  expect(lines[0]).toContain(' target=/vnc/7?user=alice&access_token=[redacted] ');
  expect(ended(new Fault('client-closed'), target)).toContain(
    ' target=/vnc/7?user=alice&access_token=[redacted] ',
  );
});

test('no more of a target is kept than is logged', () => {
  const { log, lines } = story();
  log.asked(`/a=${'/'.repeat(15_000)}`);
  log.opened(PLAN, undefined);
  expect(lines[0]).toMatch(/ target="\/a=\/{1021}…" /);
});

test('a subprotocol that is a token is left out', () => {
  const { log, lines } = story();
  log.opened({ ...PLAN, subprotocol: `base64url.bearer.authorization.k8s.io.${SECRET}` }, undefined);
  expect(lines[0]).toContain(' subprotocol=[redacted]');
  log.opened({ ...PLAN, subprotocol: 'graphql-transport-ws' }, undefined);
  expect(lines[1]).toContain(' subprotocol=graphql-transport-ws');
});

test('a target that is refused has no password', () => {
  expect(ended(new Fault('target-invalid', { target: `http://alice:${SECRET}@host/` }))).toContain(
    ' target=http://[redacted]@host/ ',
  );
});

test('subprotocols that are no list of tokens have no token of the other kind', () => {
  const line = ended(new Fault('subprotocols-malformed', { value: `binary,, bearer.${SECRET}` }));
  expect(line).toContain(' value=binary,,[redacted]\n');
});

test('the code of a Close is no secret, and what a plugin says is logged as it is', () => {
  expect(ended(new Fault('client-closed', { code: 1000 }))).toContain(' code=1000');
  expect(ended(new Fault('backend-failed', { message: 'no token=1' }))).toContain(' message="no token=1"');
});

test('whatever the client sent is one line', () => {
  const line = ended(new Fault('target-invalid', { target: 'x\ny#\u001b[2J' }), '/\n\u2028');
  expect(line.indexOf('\n')).toBe(line.length - 1);
  expect(line).toContain(String.raw` target="x\ny#\u001b[2J"`);
});
