/** A backend may do anything short of blocking the thread; whatever it does ends in a Plan, a Rejection or a Fault. */
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { Cancellation } from '../src/cancellation.ts';
import { Fault } from '../src/errors.ts';
import type { Backend, UpgradeRequest } from '../src/plugins/api.ts';
import { Framings } from '../src/plugins/framings.ts';
import { MAX_ADDRESSES, type Plan, planRoute, Rejection } from '../src/routing.ts';
import { ClientRequest } from '../src/upgrade-request.ts';

const request = new ClientRequest(
  {
    target: '/vnc/7?token=a%20b',
    headers: new Map([['host', 'example.org']]),
    subprotocols: ['Chat', 'superchat'],
  },
  '127.0.0.1',
  50_000,
);

const framings = new Framings();
beforeAll(() => framings.loadBuiltIn());

const OPTIONS = { backendName: 'test', framings, segmentBytes: 1000 };

interface Asked {
  readonly queryTimeout?: number;
  readonly cancellation?: Cancellation;
}

function plan(query: (...args: never[]) => unknown, asked: Asked = {}): Promise<Plan> {
  const { queryTimeout = 0, cancellation = new Cancellation() } = asked;
  const backend = { query } as Backend;
  return planRoute(request, { ...OPTIONS, backend, queryTimeout }, cancellation);
}

/** What the backend's answer is turned into. */
function planOf(answer: unknown): Promise<Plan> {
  return plan(async () => answer);
}

async function failureOf(promise: Promise<unknown>): Promise<Fault | Rejection> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Fault || error instanceof Rejection) return error;
    throw new Error('neither a Fault nor a Rejection', { cause: error });
  }
  throw new Error('expected a failure');
}

async function expectInvalid(answer: unknown, message: RegExp): Promise<void> {
  const fault = await failureOf(planOf(answer));
  expect(fault).toMatchObject({ code: 'route-invalid', status: 500, message: 'internal error' });
  expect(fault instanceof Fault && fault.details['message']).toMatch(message);
}

describe('a route', () => {
  test('becomes an address, a framing of its own, and the subprotocol', async () => {
    const route = { peer: 'tcp://127.0.0.1:5900', framing: 'binary', subprotocol: 'superchat' };
    const first = await planOf(route);
    expect(first).toMatchObject({
      address: { kind: 'tcp', host: '127.0.0.1', port: 5900 },
      framingName: 'binary',
      framing: { type: 'binary' },
      subprotocol: 'superchat',
    });
    expect((await planOf(route)).framing).not.toBe(first.framing);
  });

  test('without a framing gets auto, and without a subprotocol none', async () => {
    expect(await planOf({ peer: 'echo://' })).toMatchObject({
      address: { kind: 'echo' },
      framingName: 'auto',
      framing: { type: 'auto' },
      subprotocol: undefined,
    });
  });

  test('may come without a promise, or from any thenable', async () => {
    expect(await plan(() => ({ peer: 'echo://' }))).toMatchObject({ address: { kind: 'echo' } });
    const thenable = {
      // biome-ignore lint/suspicious/noThenProperty: what a plugin might return
      then: (resolve: (route: unknown) => void) => resolve({ peer: 'echo://' }),
    };
    expect(await plan(() => thenable)).toMatchObject({ address: { kind: 'echo' } });
  });

  test('is asked for with the request and a signal that is not aborted', async () => {
    const query = vi.fn(async (_request: UpgradeRequest, _signal: AbortSignal) => ({ peer: 'echo://' }));
    const cancellation = new Cancellation();
    await plan(query, { cancellation });
    expect(query).toHaveBeenCalledTimes(1);
    expect(query.mock.calls[0]).toEqual([request, cancellation.signal]);
    expect(cancellation.signal.aborted).toBe(false);
  });

  test('is asked for as a method, so that a backend may be an object of a class', async () => {
    class OwnBackend implements Backend {
      readonly #peer = 'echo://';
      async query() {
        return { peer: this.#peer };
      }
    }
    const options = { ...OPTIONS, backend: new OwnBackend(), queryTimeout: 0 };
    expect(await planRoute(request, options, new Cancellation())).toMatchObject({ framingName: 'auto' });
  });

  test.each([
    [{ peer: 'tcp://host' }, /tcp:\/\/host.*no port/],
    [{ peer: 'http://host:80' }, /unknown scheme/],
    [{ peer: 'udp://host' }, /udp:\/\/host.*no port/],
    [{ peer: '' }, /no host/],
    [{ peer: 'echo://', framing: 'nowline' }, /unknown framing "nowline"/],
    [{ peer: 'echo://', framing: 'binari' }, /did you mean binary/],
    [{ peer: 'echo://', framing: '__proto__' }, /unknown framing "__proto__"/],
    [{ peer: 'echo://', framing: './not-loaded.mjs' }, /unknown framing "\.\/not-loaded\.mjs"/],
    [{ peer: 'echo://', framing: 'binary', framingConfig: '4' }, /binary.*takes no configuration/],
    [{ peer: 'echo://', subprotocol: 'other' }, /subprotocol "other" was not offered/],
    [{ peer: 'echo://', subprotocol: 'chat' }, /subprotocol "chat" was not offered/],
    [{ peer: 'echo://', subprotocol: '' }, /subprotocol "" was not offered/],
    [{ peer: 'echo://', subprotocol: 'Chat\r\nSet-Cookie: a=b' }, /was not offered/],
    [{ peer: 'echo://', subprotocol: null }, /was not offered/],
  ])('of %j is a 500 whose reason only the log sees', async (route, message) => {
    await expectInvalid(route, message);
  });

  test.each([
    ['no peer', {}],
    ['a number as peer', { peer: 5900 }],
    ['an address object as peer', { peer: { host: 'x', port: 1 } }],
    ['null as peer', { peer: null }],
    ['a list', []],
    ['a number as framing', { peer: 'echo://', framing: 7 }],
    ['null as framing', { peer: 'echo://', framing: null }],
  ])('with %s is a 500', async (_what, answer) => {
    await expectInvalid(answer, /./);
  });

  test('with a member that looks like a slip is a 500, and another one does no harm', async () => {
    await expectInvalid(
      { peer: 'echo://', framingconfig: 'x' },
      /"framingconfig"; did you mean framingConfig/,
    );
    await expectInvalid(
      { peer: 'echo://', Sub_Protocol: 'chat' },
      /"Sub_Protocol"; did you mean subprotocol/,
    );
    for (const extra of [{ room: 7 }, { user: 'alice' }, { tier: 'gold' }, { peers: [] }, { PEER: 'x' }])
      expect(await planOf({ peer: 'echo://', ...extra })).toMatchObject({ address: { kind: 'echo' } });
  });

  test('without a peer is told so in words that its author understands', async () => {
    await expectInvalid({}, /peer/);
    await expectInvalid({ peer: 5900 }, /peer/);
  });
});

describe('an answer that cannot be looked at', () => {
  /** A Proxy whose prototype cannot be asked for, and says so with itself. */
  const evil: object = new Proxy(
    {},
    {
      getPrototypeOf() {
        throw evil;
      },
    },
  );
  const throwing = (member: string) => ({
    get [member]() {
      throw evil;
    },
  });

  test.each(['peer', 'framing', 'framingConfig', 'subprotocol', 'origin', 'status'])(
    'because its %s throws is a 500',
    async (member) => {
      const answer = Object.defineProperties(
        { peer: 'echo://' },
        Object.getOwnPropertyDescriptors(throwing(member)),
      );
      await expectInvalid(answer, /./);
    },
  );

  test('is a 500 where the query throws it, too', async () => {
    const fault = await failureOf(
      plan(() => {
        throw evil;
      }),
    );
    expect(fault).toMatchObject({ code: 'backend-failed' });
  });

  test('is read once: what it says later does not count', async () => {
    let reads = 0;
    const headers = [['X-A', 'b']];
    const answer = {
      status: 403,
      get headers() {
        reads += 1;
        return headers;
      },
    };
    const rejection = await failureOf(planOf(answer));
    headers[0]![1] = 'b\r\nInjected: 1';
    expect(rejection).toMatchObject({ headers: [['X-A', 'b']] });
    expect(reads).toBe(1);
    let names = 0;
    const route = {
      get peer() {
        names += 1;
        return names === 1 ? 'echo://' : 7;
      },
    };
    expect(await planOf(route)).toMatchObject({ address: { kind: 'echo' } });
  });

  test('cannot name a subprotocol that it has put among the offers itself', async () => {
    const fault = await failureOf(
      plan((asked: UpgradeRequest) => {
        (asked.subprotocols as string[]).push('x\r\nInjected: 1');
        return { peer: 'echo://', subprotocol: 'x\r\nInjected: 1' };
      }),
    );
    expect(fault).toMatchObject({ code: 'backend-failed', status: 500 });
  });
});

describe('nothing', () => {
  test('undefined, which a forgotten return makes, is a 500', async () => {
    await expectInvalid(undefined, /answered undefined; null says that nothing is served/);
  });

  test.each([null])('%s is a 404', async (answer) => {
    const rejection = await failureOf(planOf(answer));
    expect(rejection).toBeInstanceOf(Rejection);
    expect(rejection).toMatchObject({
      code: 'route-none',
      status: 404,
      message: 'nothing is served here',
      headers: [],
    });
  });

  test.each(['tcp://localhost:80', '', 7, 0, true, false, 1n, Symbol('x'), () => ({ peer: 'echo://' })])(
    'and a %s is a 500',
    async (answer) => {
      await expectInvalid(answer, new RegExp(typeof answer));
    },
  );
});

describe('a refusal', () => {
  test('goes to the client with its status, reason and headers', async () => {
    const headers = [
      ['WWW-Authenticate', 'Basic realm="x"'],
      ['X-Empty', ''],
      ['X-Latin', 'gr\u00fcn'],
    ];
    const rejection = await failureOf(planOf({ status: 401, reason: 'who are you?', headers }));
    expect(rejection).toBeInstanceOf(Rejection);
    expect(rejection).toMatchObject({ code: 'route-refused', status: 401, message: 'who are you?', headers });
  });

  test('without a reason has a text, and without headers none', async () => {
    expect(await failureOf(planOf({ status: 403 }))).toMatchObject({ message: 'refused', headers: [] });
  });

  test('has a reason of one line, and not a page', async () => {
    expect(await failureOf(planOf({ status: 403, reason: 'no\r\n  way\t!' }))).toMatchObject({
      message: 'no way !',
    });
    const { message } = await failureOf(planOf({ status: 403, reason: 'x'.repeat(5_000) }));
    expect(message).toBe(`${'x'.repeat(1024)}…`);
  });

  test.each([300, 302, 404, 429, 503, 599])('may have the status %i', async (status) => {
    expect(await failureOf(planOf({ status }))).toMatchObject({ code: 'route-refused', status });
  });

  test.each([
    [{ status: 299 }, /status 299/],
    [{ status: 304 }, /status 304/],
    [{ status: 600 }, /status 600/],
    [{ status: 101 }, /status 101/],
    [{ status: 200 }, /status 200/],
    [{ status: 0 }, /status 0/],
    [{ status: -404 }, /status -404/],
    [{ status: 404.5 }, /status 404.5/],
    [{ status: Number.NaN }, /status NaN/],
    [{ status: '404' }, /status/],
    [{ status: undefined }, /status/],
    [{ status: null }, /status/],
    [{ status: 404, reason: 7 }, /reason/],
    [{ status: 404, reason: null, headers: 'x' }, /headers/],
    [{ status: 404, headers: 'X: y' }, /headers/],
    [{ status: 404, headers: { 'X-A': 'b' } }, /headers/],
    [{ status: 404, headers: null }, /headers/],
    [{ status: 404, headers: [['X-A']] }, /header \["X-A"\]/],
    [{ status: 404, headers: ['X-A: b'] }, /header "X-A: b"/],
    [{ status: 404, headers: [null] }, /header null/],
    [{ status: 404, headers: [['X-A', 7]] }, /header/],
    [{ status: 404, headers: [['', 'b']] }, /header/],
    [{ status: 404, headers: [['X A', 'b']] }, /header/],
    [{ status: 404, headers: [['X-A:', 'b']] }, /header/],
    [{ status: 404, headers: [['X-A', 'b\r\nSet-Cookie: c=d']] }, /header/],
    [{ status: 404, headers: [['X-A', 'b\nc']] }, /header/],
    [{ status: 404, headers: [['X-A', 'b\rc']] }, /header/],
    [{ status: 404, headers: [['X-A\r\nX-B', 'c']] }, /header/],
    [{ status: 404, headers: [['X-A', 'b\0']] }, /header/],
    [{ status: 404, headers: [['X-A', '\u20ac']] }, /header/],
    [
      {
        status: 404,
        headers: [
          ['X-Good', 'b'],
          ['X-Bad\n', 'c'],
        ],
      },
      /header \["X-Bad/,
    ],
  ])('of %j is a 500 whose reason only the log sees', async (refusal, message) => {
    await expectInvalid(refusal, message);
  });
});

describe('a backend that fails', () => {
  const boom = new Error('database password is "hunter2"');

  test('by rejecting is a 500 with its message for the log alone', async () => {
    expect(await failureOf(plan(() => Promise.reject(boom)))).toMatchObject({
      code: 'backend-failed',
      status: 500,
      message: 'internal error',
      details: { message: boom.message },
      cause: boom,
    });
  });

  test('by throwing is the same', async () => {
    const query = () => {
      throw boom;
    };
    expect(await failureOf(plan(query))).toMatchObject({ code: 'backend-failed', cause: boom });
  });

  test.each([
    ['nothing', undefined],
    ['a string', 'boom'],
    ['null', null],
  ])('by rejecting with %s is the same', async (_what, thrown) => {
    expect(await failureOf(plan(() => Promise.reject(thrown)))).toMatchObject({ code: 'backend-failed' });
  });

  test('by throwing an object without a prototype is the same', async () => {
    const query = () => {
      throw Object.create(null);
    };
    expect(await failureOf(plan(query))).toMatchObject({ code: 'backend-failed' });
  });

  test('by not being a function at all is the same', async () => {
    expect(await failureOf(plan(7 as never))).toMatchObject({ code: 'backend-failed' });
  });

  describe('by hanging', () => {
    const never = () => new Promise(() => {});

    test('is a 504 when its time is up, and its signal is aborted with that reason', async () => {
      const cancellation = new Cancellation();
      const failure = failureOf(plan(never, { queryTimeout: 20, cancellation }));
      expect(cancellation.signal.aborted).toBe(false);
      const fault = await failure;
      expect(fault).toMatchObject({ code: 'backend-timeout', status: 504 });
      expect(cancellation.signal.aborted).toBe(true);
      expect(cancellation.signal.reason).toBe(fault);
    });

    test('has a timer with a limit and none with 0', () => {
      const before = timers();
      const cancellation = new Cancellation();
      plan(never, { queryTimeout: 60_000, cancellation }).catch(() => {});
      expect(timers()).toBe(before + 1);
      cancellation.abort(new Fault('client-vanished'));
      expect(timers()).toBe(before);
      void plan(never, { queryTimeout: 0 });
      expect(timers()).toBe(before);
    });

    test('is given up when the client leaves, with the reason it left for', async () => {
      const cancellation = new Cancellation();
      const failure = failureOf(plan(never, { queryTimeout: 60_000, cancellation }));
      const left = new Fault('client-vanished');
      cancellation.abort(left);
      expect(await failure).toBe(left);
    });

    test('and answering too late changes nothing any more', async () => {
      const cancellation = new Cancellation();
      const late = new Promise((resolve) => {
        cancellation.signal.addEventListener('abort', () => resolve({ peer: 'echo://' }));
      });
      expect(await failureOf(plan(() => late, { queryTimeout: 20, cancellation }))).toMatchObject({
        code: 'backend-timeout',
      });
    });

    test('and failing because it was aborted is a timeout, not a failure of the backend', async () => {
      const query = (_request: UpgradeRequest, signal: AbortSignal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new Error('aborted')));
        });
      expect(await failureOf(plan(query as never, { queryTimeout: 20 }))).toMatchObject({
        code: 'backend-timeout',
      });
    });
  });

  test.each([
    ['answers', async () => ({ peer: 'echo://' })],
    ['refuses', async () => ({ status: 403 })],
    ['fails', () => Promise.reject(boom)],
    [
      'throws',
      () => {
        throw boom;
      },
    ],
  ])('and one that %s in time leaves neither a timer nor a listener behind', async (_what, query) => {
    const cancellation = new Cancellation();
    const listening = new Set<unknown>();
    const add = cancellation.addEventListener.bind(cancellation);
    const remove = cancellation.removeEventListener.bind(cancellation);
    Object.assign(cancellation, {
      addEventListener(type: 'abort', listener: () => void) {
        listening.add(listener);
        add(type, listener);
      },
      removeEventListener(type: 'abort', listener: () => void) {
        listening.delete(listener);
        remove(type, listener);
      },
    });
    // Only microtasks lie between the two counts, so no timer of anybody else's can come or go.
    const before = timers();
    await plan(query, { queryTimeout: 60_000, cancellation }).catch(() => {});
    expect(timers()).toBe(before);
    expect(listening.size).toBe(0);
    expect(cancellation.aborted).toBe(false);
  });
});

describe('the address of a peer', () => {
  const addressOf = async (peer: string) => (await planOf({ peer })).address;

  test('is read once for all clients that go there', async () => {
    const first = await addressOf('tcp://127.0.0.1:1');
    expect(first).toEqual({ kind: 'tcp', host: '127.0.0.1', port: 1 });
    expect(await addressOf('tcp://127.0.0.1:1')).toBe(first);
    expect(await addressOf('tcp://127.0.0.1:01')).toEqual(first);
  });

  test('is kept for so many peers, and the oldest goes', async () => {
    const first = await addressOf('unix:///run/first');
    for (let i = 1; i < MAX_ADDRESSES; i += 1) await addressOf(`unix:///run/${i}`);
    expect(await addressOf('unix:///run/first')).toBe(first);
    await addressOf('unix:///run/one-more');
    const again = await addressOf('unix:///run/first');
    expect(again).toEqual(first);
    expect(again).not.toBe(first);
  });

  test('that is none is refused every time', async () => {
    for (let i = 0; i < 2; i += 1) await expectInvalid({ peer: 'http://host:80' }, /unknown scheme/);
  });
});

/** Timers that are running in this process. */
function timers(): number {
  return process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
}
