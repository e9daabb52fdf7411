/**
 * A client whose socket Node's server has accepted by itself and announces by `connection`: nothing that is written to it
 * lies in memory that is used again.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, Server, type Socket } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { fastPath } from '../src/fast-path.ts';
import { SlabSocket } from '../src/transports/slab-socket.ts';
import { STREAM_OPTIONS } from '../src/transports/stream.ts';
import { serve, stable, until } from './support/in-process.ts';
import { RawClient } from './support/raw-client.ts';
import { expectPattern, FLOOD, framedFlood } from './support/ws-wire.ts';

function slabsOut(): number {
  const fast = fastPath();
  return 'slabs' in fast ? fast.slabs.outstanding : 0;
}

test('a client that Node itself accepts gets and sends the right bytes, and goes without slabs', async () => {
  const listen = vi.spyOn(Server.prototype, 'listen');
  onTestFinished(() => listen.mockRestore());
  const served = await serve({ framing: 'binary' });
  const daemonServer = listen.mock.contexts.at(-1) as Server;
  expect((daemonServer.address() as AddressInfo).port).toBe(served.daemon.port);

  // Its sockets are as those are that the daemon's own server would announce.
  const announced: Socket[] = [];
  const other = createServer({ ...STREAM_OPTIONS, noDelay: true }, (socket) => {
    announced.push(socket);
    daemonServer.emit('connection', socket);
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void other.close());
  await once(other, 'listening');
  const client = await RawClient.open({ host: '127.0.0.1', port: (other.address() as AddressInfo).port });
  onTestFinished(() => client.stream.destroy());
  const peer = await served.peers.accept();
  expect(announced).toHaveLength(1);
  expect(announced[0]).not.toBeInstanceOf(SlabSocket);

  // The client does not read for as long as the daemon takes anything from its peer.
  client.stream.socket.pause();
  peer.write(FLOOD);
  const source = served.socketToPeer(peer);
  await until('a full client', () => announced[0]!.writableLength > 0 && source.isPaused());
  await stable(() => source.bytesRead);
  expect(source.bytesRead).toBeLessThan(FLOOD.length);
  expect(slabsOut()).toBe(0);

  client.stream.socket.resume();
  const wire: Buffer[] = [];
  let received = 0;
  while (received < FLOOD.length) {
    const { payload } = await client.readFrame();
    wire.push(payload);
    received += payload.length;
  }
  expectPattern(Buffer.concat(wire));
  expect(slabsOut()).toBe(0);

  client.send(framedFlood());
  expectPattern(await peer.take(FLOOD.length));
  expect(slabsOut()).toBe(0);
});
