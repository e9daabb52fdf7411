// The library ws as an echo server, to be measured beside websocksy. Prints where it listens.
// Run: node bench/ws-echo.mjs '{"threshold":64}'   (its options of permessage-deflate, or `false`)
import { WebSocketServer } from 'ws';

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: 0,
  perMessageDeflate: JSON.parse(process.argv[2] ?? 'false'),
});
server.on('listening', () => process.stdout.write(`listening on ws://127.0.0.1:${server.address().port}\n`));
server.on('connection', (socket) => socket.on('message', (data, binary) => socket.send(data, { binary })));
