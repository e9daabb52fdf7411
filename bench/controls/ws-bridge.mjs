// The bridge that one writes on the library ws in an afternoon, with back-pressure both ways: what others compare with.
// Run: node bench/controls/ws-bridge.mjs PORT PEER-PORT
import { connect } from 'node:net';
import { WebSocketServer } from 'ws';

const [port, peerPort] = process.argv.slice(2).map(Number);
/** As many bytes may wait for a client before its peer is left alone until they are written. */
const BACKLOG = 1_048_576;

function clientToPeer(client, peer) {
  client.on('message', (message) => {
    if (!peer.write(message)) client.pause();
  });
  peer.on('drain', () => client.resume());
  client.on('close', () => peer.end());
  client.on('error', () => peer.destroy());
}

function peerToClient(peer, client) {
  const goOn = () => {
    if (client.bufferedAmount < BACKLOG / 4) peer.resume();
  };
  peer.on('data', (chunk) => {
    client.send(chunk, goOn);
    if (client.bufferedAmount > BACKLOG) peer.pause();
  });
  peer.on('close', (failed) => client.close(failed ? 1011 : 1000));
  peer.on('error', () => {}); // 'close' follows.
}

new WebSocketServer({ host: '127.0.0.1', port, perMessageDeflate: false, backlog: 4096 }).on(
  'connection',
  (client) => {
    const peer = connect({ host: '127.0.0.1', port: peerPort, noDelay: true });
    clientToPeer(client, peer);
    peerToClient(peer, client);
  },
);
