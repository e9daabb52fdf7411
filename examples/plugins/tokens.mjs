// A backend: the targets of a token file as websockify has it, `token: host:port` in each line. A client names its
// token in the query, `/websockify?token=alice`. The file is read for each client, so that it can be edited at any time.
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';

// Compared by these, so that the time that it takes does not tell how much of a token was right.
const digest = (text) => createHash('sha256').update(text).digest();

export default {
  apiVersion: 1,
  kind: 'backend',
  name: 'tokens',
  options: {
    file: { description: 'the token file' },
  },
  async create(settings) {
    const file = settings.get('file');
    if (!file) throw new Error('set the option "file", as in -c file=tokens.cfg');
    await readFile(file); // so that a wrong name is noticed now
    return {
      async query({ query, subprotocols }, signal) {
        const token = digest(query.get('token') ?? '');
        const lines = (await readFile(file, { encoding: 'utf8', signal })).split('\n');
        for (const line of lines) {
          const [, name, target] = /^\s*([^#:\s][^:]*):\s+(\S+)\s*$/.exec(line) ?? [];
          if (name !== undefined && timingSafeEqual(digest(name), token)) {
            const path = /^unix_socket:(.+)/.exec(target)?.[1];
            const peer = path === undefined ? `tcp://${target}` : `unix://${path}`;
            return { peer, framing: 'binary', subprotocol: subprotocols[0] };
          }
        }
        return { status: 403, reason: 'unknown token' };
      },
    };
  },
};
