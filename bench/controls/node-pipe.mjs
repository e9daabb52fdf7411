// No WebSocket: two sockets and Node's own pipe(), TCP to TCP. What a program on Node's streams can cost at the least.
// Run: node bench/controls/node-pipe.mjs PORT PEER-PORT
import { connect, createServer } from 'node:net';

const [port, peerPort] = process.argv.slice(2).map(Number);
const options = { noDelay: true, allowHalfOpen: true };

createServer(options, (client) => {
  const peer = connect({ ...options, host: '127.0.0.1', port: peerPort });
  client.pipe(peer);
  peer.pipe(client);
  const both = [client, peer];
  for (const socket of both) socket.on('error', () => both.map((one) => one.destroy()));
}).listen({ host: '127.0.0.1', port, backlog: 4096 });
