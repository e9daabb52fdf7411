/** What the oracle of the load calls lost, on ends that are given to it. */
import { expect, test } from 'vitest';

const { disturbed, endings, lost, notDelivered } = await import(new URL('oracle.mjs', import.meta.url).href);

const client = (more = {}) => ({ id: 7, sent: 100, got: 50, whole: true, ended: true, ...more });
const peer = (more = {}) => ({ id: 7, sent: 50, got: 100, ended: true, ...more });
const line = (more = {}) => new Map([[7, { up: '100', down: '50', ...more }]]);

test('finds nothing where each end got what the other one sent', () => {
  expect(lost([client()], [peer()])).toEqual([]);
  expect(disturbed([client()], [peer()])).toEqual([]);
  expect(notDelivered([client()], [peer()], line())).toEqual([]);
});

test.each([
  ['a client that lacks an answer', client({ whole: false }), peer()],
  ['a peer that got less', client(), peer({ got: 99 })],
  ['a client that got less', client({ got: 49 }), peer()],
])('calls lost: %s', (_what, one, other) => {
  expect(lost([one], [other])).toHaveLength(1);
});

test.each([
  ['a wrong byte', client({ error: 'stream 7/1: byte 3 is wrong' }), peer()],
  ['a client without a FIN', client({ ended: false }), peer()],
  ['a peer without a FIN', client(), peer({ ended: false })],
])('tells of %s', (_what, one, other) => {
  expect(disturbed([one], [other])).toHaveLength(1);
});

test('a stop may leave bytes with those who sent them, but not in the daemon', () => {
  const begun = client({ sent: 1000, whole: false });
  expect(notDelivered([begun], [peer({ sent: 4000 })], line())).toEqual([]);
  expect(notDelivered([begun], [peer({ sent: 4000 })], line({ up: '101' }))).toEqual([
    '7: the daemon took 101 B from the client, the peer got 100',
  ]);
  expect(notDelivered([begun], [peer({ sent: 4000 })], line({ down: '51' }))).toEqual([
    '7: the daemon took 51 B from the peer, the client got 50',
  ]);
  expect(notDelivered([begun], [peer()], line({ 'undelivered-up': '9' }))).toEqual([
    '7: undelivered: 9 B up, 0 B down',
  ]);
  expect(notDelivered([begun], [peer()], new Map())).toEqual(['7: the log has no line of its end']);
});

test('finds the last line of a connection by the number in its target', () => {
  const closed = { event: 'closed', fields: { target: '/?n=7&peer=echo://', up: '1', down: '1' } };
  const flood = { event: 'closed', fields: { target: '/?flood&peer=echo://' } };
  expect([...endings([{ event: 'open', fields: closed.fields }, closed, flood])]).toEqual([
    [7, closed.fields],
  ]);
});
