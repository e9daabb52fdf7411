// A backend: each service has a path of its own. Whatever else is asked for is not served.
const PEERS = {
  '/redis': { peer: 'tcp://127.0.0.1:6379', framing: 'binary' },
  '/echo': { peer: 'echo://' },
};

export default {
  apiVersion: 1,
  kind: 'backend',
  name: 'by-path',
  options: {},
  create: () => ({
    async query({ path, subprotocols }) {
      const route = PEERS[path];
      return route ? { ...route, subprotocol: subprotocols[0] } : null;
    },
  }),
};
