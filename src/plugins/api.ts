/**
 * What a plugin author needs, all of it: the contracts of backends and framings, and the version they are checked by.
 *
 * A plugin is a module whose default export is a plain object of one of the two plugin types below. It needs nothing
 * from here at run time; `defineBackend` and `defineFraming` only help the type checker.
 *
 *     /** @type {import('websocksy/plugin').FramingPlugin} *\/
 *     export default {
 *       apiVersion: 1,
 *       kind: 'framing',
 *       name: 'whole',
 *       configure: () => () => ({ type: 'binary', next: (_buffer, start, end) => end - start }),
 *     };
 */

/** The version of these contracts. A plugin that names another one is refused when it is loaded. */
export const API_VERSION = 1;

// ---------------------------------------------------------------------------------------------------- framings

/**
 * What kind of WebSocket message the bytes just found become. `auto`: text if they are valid UTF-8, else binary.
 * `text` that is not valid UTF-8 goes out as binary, and is counted. `discard`: they are dropped.
 */
export type MessageType = 'text' | 'binary' | 'auto' | 'discard';

/**
 * Cuts the byte stream of one peer into messages. One object per connection; it may keep state.
 *
 * A peer that sends messages itself (UDP, Unix datagrams) needs no cutting: of each datagram that is not empty the
 * framing is asked once, with `ended`, and only the type counts.
 */
export interface Framing {
  /** Of the message that `next` has just found. `next` may set it. */
  type: MessageType;
  /**
   * Finds the end of the message that begins at `start`. Not async, like `configure`.
   *
   * @param buffer the bytes from the peer; only `[start, end)` may be looked at, nothing may be changed or kept
   * @param scanned how many of the bytes from `start` on were there already when `next` last answered 0: a scan can go on behind them
   * @param ended the peer is done sending, so no more will come. Without a byte left over there is no such call
   * @returns the length of the message in bytes; 0: more bytes are needed (so there are no empty messages). With `ended`, what is left after a 0 is sent as one last binary message
   * @throws to say that this stream cannot be framed; the client is closed with 1011
   */
  next(buffer: Uint8Array, start: number, end: number, scanned: number, ended: boolean): number;
  /**
   * One or two bytes with which every message ends, and which end every message, where that is all that `next` looks for
   * and `type` stays as it is. Short messages may then be cut without a call of `next`. Left out: each is asked for.
   */
  readonly delimiter?: Uint8Array;
}

/** What the daemon tells a framing about the connection that it is made for. */
export interface FramingBounds {
  /**
   * Most bytes of one message, and most that may wait while `next` answers 0, the read that brought the last of them
   * included. Beyond it the client is closed with 1009. Who knows a length beforehand refuses a larger one by throwing.
   */
  readonly maximum: number;
}

export interface FramingPlugin {
  readonly apiVersion: number;
  readonly kind: 'framing';
  /** What a target file of the backend `file` calls it, once `plugin = …` has loaded it. */
  readonly name: string;
  /**
   * Reads the framing's configuration, once, when the daemon's is loaded, and answers with what makes a framing for
   * each connection. Neither may be async: nobody awaits a promise of theirs, and one that is rejected ends the daemon.
   *
   * @param config the text behind `framing-config`, as it stands; undefined: none was given
   * @throws to say what is wrong with it
   */
  configure(config: string | undefined): (bounds: FramingBounds) => Framing;
}

// ---------------------------------------------------------------------------------------------------- backends

/** The opening request of a client, checked and ready to be decided on. */
export interface UpgradeRequest {
  /** Path and query as sent, not decoded: `/vnc/7?token=a%20b`. */
  readonly target: string;
  /** The target up to its `?`, not decoded: `/vnc/7`. */
  readonly path: string;
  /** What stands behind the `?`, decoded: `query.get('token')` is `a b`. A copy of your own. */
  readonly query: URLSearchParams;
  /** By lower-case name. Latin-1; values of repeated headers joined by a comma (Cookie: by a semicolon). */
  readonly headers: ReadonlyMap<string, string>;
  /** By name, which is case-sensitive (RFC 6265). Values as sent; of a name that stands twice the first one. */
  readonly cookies: ReadonlyMap<string, string>;
  /** What the client offers, in its order and spelling. */
  readonly subprotocols: readonly string[];
  /** The other end of the connection: the client, or the proxy before us. `unix` where we listen on a Unix socket. */
  readonly remoteAddress: string;
  /** 0 where we listen on a Unix socket. */
  readonly remotePort: number;
}

/** Where a connection goes. */
export interface Route {
  /** For example `tcp://127.0.0.1:5900`, `udp://[::1]:53`, `unix:///run/app.sock` or `echo://`. */
  readonly peer: string;
  /** The name of a framing that is built in or loaded, as `checkFraming` returned it. Left out: `auto`. */
  readonly framing?: string | undefined;
  readonly framingConfig?: string | undefined;
  /** One of those that the client offered, in its spelling. Left out: the answer names none. */
  readonly subprotocol?: string | undefined;
  /** Where the route is written, for the log if it turns out to be bad: `/etc/targets/alice:3`. */
  readonly origin?: string | undefined;
}

/** Why a connection goes nowhere, told to the client. */
export interface Refusal {
  /** An HTTP status from 300 to 599, but for 304. */
  readonly status: number;
  /** One line for the client's user, of at most 1024 characters; more is cut. Left out: a text that fits most. */
  readonly reason?: string | undefined;
  /** Further header fields, for example Location or WWW-Authenticate. */
  readonly headers?: readonly (readonly [name: string, value: string])[] | undefined;
}

/** Chooses the peer of each connection. */
export interface Backend {
  /**
   * @param signal aborted when the client leaves or the time for the answer is up. Of a client that has sent more than 64 KiB ahead the leaving is noticed later: it is not read any more
   * @returns a route, a refusal, or null: nothing is served under what was asked for (404)
   */
  query(request: UpgradeRequest, signal: AbortSignal): Promise<Route | Refusal | null>;
  /** Called once, when the daemon stops. It has what is left of the time to drain, and at least 1 s. */
  close?(): Promise<void>;
}

/** An option of a backend, as `--help` and the checks need it. */
export interface BackendOption {
  readonly description: string;
  /** What is taken where none is given, for the documentation. */
  readonly default?: string | undefined;
  /** It may stand several times, and each counts. Otherwise the last one wins. */
  readonly repeatable?: boolean | undefined;
}

/** What a backend was configured with. Options that were not given are not there. */
export interface BackendSettings {
  /** The value of an option, the last one if it was repeated. */
  get(option: string): string | undefined;
  /** All values of a repeatable option, in order. */
  all(option: string): readonly string[];
}

/** What a backend can ask of the daemon: while it is being made, and later. */
export interface BackendContext {
  /**
   * Loads a framing if need be, and has it read its configuration.
   *
   * @param option the option in which the name stands: a path counts from wherever that was set. Left out: from the working directory
   * @returns the name that a route is to give
   * @throws (rejects) if there is no such framing, or if it refuses the configuration
   */
  checkFraming(name: string, config: string | undefined, option?: string): Promise<string>;
  /**
   * Throws if this is no address of a peer that the daemon can dial. Returns it complete, as a route wants it.
   * `port`, a number or the name of a service, wins over the one in the address; `defaultPort` stands in where there
   * is none. Both mean nothing to peers without ports.
   */
  checkPeer(
    address: string,
    ports?: { readonly port?: number | string | undefined; readonly defaultPort?: number | undefined },
  ): string;
  /** Writes a line at level `warn` to the daemon's log, with the backend's name. */
  warn(message: string): void;
}

export interface BackendPlugin {
  readonly apiVersion: number;
  readonly kind: 'backend';
  /** For messages about it. */
  readonly name: string;
  /** The options it takes, by name. Others are refused before `create` is called. */
  readonly options: Readonly<Record<string, BackendOption>>;
  /**
   * Makes the backend, when the configuration is loaded.
   *
   * @throws to say what is wrong with a setting; `optionError` names the option too
   */
  create(settings: BackendSettings, context: BackendContext): Backend | Promise<Backend>;
}

export type Plugin = BackendPlugin | FramingPlugin;

/** An error that says which option is at fault, so that the message can name the place where it was set. */
export function optionError(option: string, message: string): Error & { readonly option: string } {
  return Object.assign(new Error(message), { option });
}

/** Returns its argument, checked by the compiler. */
export function defineBackend<T extends BackendPlugin>(plugin: T): T {
  return plugin;
}

/** Returns its argument, checked by the compiler. */
export function defineFraming<T extends FramingPlugin>(plugin: T): T {
  return plugin;
}
