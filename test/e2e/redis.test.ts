/**
 * A real server behind the bridge: Redis, driven by two WebSocket libraries.
 *
 * Redis answers every byte that it gets, so whatever the bridge loses, repeats, reorders or sends to somebody else
 * shows. It needs `redis-server` on the PATH; without it every test fails and says so.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type DirectClient, type RedisServer, startRedis } from '../support/redis-server.ts';
import { encodeCommand, type Reply, RespClient } from '../support/resp.ts';
import { type Client, LIBRARIES, within } from './clients.ts';
import { type Scenario, scenario, sha256 } from './scenario.ts';

/** A value that fits no buffer on its way; Redis itself takes up to 512 MiB. */
const LARGE = 64 * 1024 * 1024;

let starting: Promise<RedisServer>;

beforeAll(() => {
  starting = startRedis();
  starting.catch(() => {}); // each test awaits it, and fails with its message
});

afterAll(async () => {
  const server = await starting.catch(() => undefined);
  await server?.stop();
});

/** A Redis client over the bridge; `socket` is the WebSocket beneath. */
class BridgedClient extends RespClient {
  readonly socket: Client;
  constructor(socket: Client) {
    super({
      write: (bytes) => socket.send(bytes),
      read: async () => {
        const message = await socket.next();
        if (typeof message === 'string')
          throw new Error(`a text message in spite of framing=binary: ${message}`);
        return message;
      },
    });
    this.socket = socket;
  }
}

interface Redis {
  /** Another Redis client through the bridge. */
  open(): Promise<BridgedClient>;
  /** Past the bridge, over TCP. */
  readonly direct: DirectClient;
}

const strings = (replies: Reply[]) =>
  replies.map((reply) => (Buffer.isBuffer(reply) ? reply.toString() : reply));
const bulk = (reply: Reply) =>
  Buffer.isBuffer(reply) ? reply : Buffer.from(`not a bulk string: ${String(reply)}`);

describe.each(LIBRARIES)('Redis through the bridge, with $name', ({ connect }) => {
  /** A test's body with a bridge to an empty Redis. */
  const withRedis = (body: (redis: Redis, given: Scenario) => Promise<void>) =>
    scenario(async (given) => {
      const server = await starting;
      const direct = await server.connect();
      given.afterwards(direct.disconnect);
      await direct.command('FLUSHALL');
      const host = `host=tcp://127.0.0.1:${server.port}`;
      const { url } = await given.startBridge('-c', host, '-c', 'framing=binary');
      await body({ direct, open: async () => new BridgedClient(await connect(url)) }, given);
    });

  test(
    'answers PING, counts with INCR, and tells its errors',
    withRedis(async ({ open }) => {
      const redis = await open();
      expect(await redis.command('PING')).toBe('PONG');
      for (let count = 1; count <= 100; count++) expect(await redis.command('INCR', 'counter')).toBe(count);
      expect(await redis.command('GET', 'nothing')).toBeNull();
      await expect(redis.command('NONSENSE')).rejects.toThrow('unknown command');
    }),
  );

  test(
    'keeps binary and UTF-8 values as they are, sent as binary or as text messages',
    withRedis(async ({ open, direct }) => {
      const redis = await open();
      const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
      const utf8 = 'grüß dich, 世界 🎈\r\n\0$5\r\n';
      expect(await redis.command('SET', everyByte, everyByte)).toBe('OK');
      expect(await redis.command('GET', everyByte)).toEqual(everyByte);
      redis.socket.send(encodeCommand('SET', 'ключ', utf8).toString()); // as a text message
      expect(await redis.reply()).toBe('OK');
      expect(await redis.command('GET', 'ключ')).toEqual(Buffer.from(utf8));
      expect(await direct.command('GET', 'ключ')).toEqual(Buffer.from(utf8));
      expect(await redis.command('SET', 'empty', '')).toBe('OK');
      expect(await redis.command('GET', 'empty')).toEqual(Buffer.alloc(0));
    }),
  );

  test.each<[string, number, number]>([
    ['one message', Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    ['messages of one byte', 1, 1],
    ['messages cut in odd places', 1, 7],
    ['messages of about one command', 20, 90],
  ])('answers a pipeline of 1,000 commands that comes as %s, in order', async (_, low, high) => {
    await withRedis(async ({ open }, { random }) => {
      const commands: Buffer[] = [];
      const expected: Reply[] = [];
      for (let index = 0; index < 500; index++) {
        const value = `value ${index} ${'€'.repeat(random.integer(0, 9))}`;
        commands.push(encodeCommand('SET', `key:${index}`, value), encodeCommand('GET', `key:${index}`));
        expected.push('OK', value);
      }
      const redis = await open();
      for (const piece of random.pieces(Buffer.concat(commands), low, high)) redis.send(piece);
      expect(strings(await redis.replies(1_000))).toEqual(expected);
    })();
  });

  test(
    'pushes what another connection publishes, whole and in order',
    withRedis(async ({ open }, { random }) => {
      const [subscriber, publisher] = [await open(), await open()];
      subscriber.send(encodeCommand('SUBSCRIBE', 'news'));
      expect(await subscriber.reply()).toEqual([Buffer.from('subscribe'), Buffer.from('news'), 1]);
      const published = Array.from({ length: 500 }, () => random.bytes(random.integer(0, 20_000)));
      publisher.send(Buffer.concat(published.map((message) => encodeCommand('PUBLISH', 'news', message))));
      for (const message of published) {
        const [kind, channel, payload] = (await subscriber.reply()) as Buffer[];
        expect(`${kind} ${channel}`).toBe('message news');
        expect(sha256(payload as Buffer)).toBe(sha256(message));
      }
      expect(await publisher.replies(500)).toEqual(new Array(500).fill(1));
    }),
  );

  test(
    'carries a value of 64 MiB up and down unchanged',
    withRedis(async ({ open, direct }, { random }) => {
      const redis = await open();
      const value = random.bytes(LARGE);
      const digest = sha256(value);
      expect(await redis.command('SET', 'large', value)).toBe('OK');
      expect(sha256(bulk(await direct.command('GET', 'large'))), 'on the way up').toBe(digest);
      expect(sha256(bulk(await redis.command('GET', 'large'))), 'on the way down').toBe(digest);
      expect(await redis.command('PING')).toBe('PONG');
    }),
  );

  test(
    'serves 200 clients at once without mixing them up',
    withRedis(async ({ open, direct }, { random }) => {
      const work = Array.from({ length: 200 }, (_, client) =>
        Array.from({ length: 6 }, (_, index) => {
          const size =
            random.integer(0, 20) === 0 ? random.integer(65_536, 1_000_000) : random.integer(0, 20_000);
          return { key: `client:${client}:${index}`, value: random.bytes(size) };
        }),
      );
      const clients = await Promise.all(work.map(open));
      const use = async (redis: BridgedClient, own: (typeof work)[number]) => {
        redis.send(Buffer.concat(own.map(({ key, value }) => encodeCommand('SET', key, value))));
        expect(await redis.replies(own.length)).toEqual(own.map(() => 'OK'));
        for (const { key, value } of own) {
          const found = bulk(await redis.command('GET', key));
          expect(found.equals(value), `${key}: ${found.length} bytes of ${value.length}`).toBe(true);
        }
        redis.send(encodeCommand('MGET', ...own.map(({ key }) => key)));
        const together = Buffer.concat(((await redis.reply()) as Reply[]).map(bulk));
        expect(sha256(together)).toBe(sha256(Buffer.concat(own.map(({ value }) => value))));
      };
      await Promise.all(clients.map((redis, index) => use(redis, work[index] ?? [])));
      expect(await direct.command('DBSIZE')).toBe(200 * 6);
    }),
  );

  test(
    'sends the answer to QUIT, then Close 1000',
    withRedis(async ({ open }) => {
      const redis = await open();
      expect(await redis.command('PING')).toBe('PONG');
      expect(await redis.command('QUIT')).toBe('OK');
      expect(await redis.socket.closed()).toMatchObject({ code: 1000 });
      expect(await redis.socket.next()).toBeNull();
    }),
  );

  test.each<[string, number | undefined]>([
    ['with a code', 1000],
    ['without a code', undefined],
  ])('has no connection left of a client that closed %s', async (_, code) => {
    await withRedis(async ({ open, direct }) => {
      const redis = await open();
      await redis.command('CLIENT', 'SETNAME', 'passer-by');
      const list = async () => bulk(await direct.command('CLIENT', 'LIST')).toString();
      expect(await list()).toContain('name=passer-by');
      redis.socket.close(code);
      const gone = async () => {
        while ((await list()).includes('name=passer-by'))
          await new Promise((resolve) => setTimeout(resolve, 10));
      };
      await within(gone(), () => 'Redis still lists the connection');
      const { code: received } = await redis.socket.closed();
      expect(received).toBe(code ?? 1005);
    })();
  });
});
