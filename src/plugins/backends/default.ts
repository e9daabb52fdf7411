/**
 * `default`: every client goes to one peer.
 *
 * As in the C daemon but for two things that its own manual promised: a port in `host` counts (the one in `port` still
 * wins), and a framing that does not exist is refused when the configuration is loaded.
 */
import { defineBackend, optionError } from '../api.ts';

/** VNC's port: what the C daemon was first used for. */
const DEFAULT_PORT = 5900;

export default defineBackend({
  apiVersion: 1,
  kind: 'backend',
  name: 'default',
  options: {
    host: {
      description: 'the peer: tcp://HOST[:PORT], udp://…, unix://PATH, unix-dgram://PATH or echo://',
      default: 'tcp://localhost',
    },
    port: {
      description: "the peer's port, or a service's name; wins over one in host",
      default: String(DEFAULT_PORT),
    },
    framing: { description: 'how the bytes from the peer become messages', default: 'auto' },
    'framing-config': { description: "the framing's own configuration" },
    protocol: { description: 'the subprotocol to select if the client offers it; *: its first offer' },
  },
  async create(settings, context) {
    const named = settings.get('framing');
    const framingConfig = settings.get('framing-config');
    const framing = await naming(named === undefined ? 'framing-config' : 'framing', () =>
      context.checkFraming(named ?? 'auto', framingConfig, 'framing'),
    );
    const host = settings.get('host') ?? 'tcp://localhost';
    const port = settings.get('port');
    const check = (chosen?: string) => context.checkPeer(host, { port: chosen, defaultPort: DEFAULT_PORT });
    const peer = await naming('host', () => check()).then(() => naming('port', () => check(port)));
    const wanted = settings.get('protocol');
    return {
      async query(request) {
        return { peer, framing, framingConfig, subprotocol: select(wanted, request.subprotocols) };
      },
    };
  },
});

/** The client's offers in their order, compared without regard to case; the client's spelling is what it gets back. */
function select(wanted: string | undefined, offers: readonly string[]): string | undefined {
  if (wanted === undefined) return undefined;
  if (wanted === '*') return offers[0];
  const name = wanted.toLowerCase();
  return offers.find((offer) => offer.toLowerCase() === name);
}

/** An error of the callback's becomes one of this option, unless it names an option itself. */
async function naming<T>(option: string, attempt: () => T | Promise<T>): Promise<T> {
  try {
    return await attempt();
  } catch (error) {
    if (error instanceof Error && 'option' in error) throw error;
    throw optionError(option, error instanceof Error ? error.message : String(error));
  }
}
