/**
 * From a client's request to what its connection is made of: asks the backend, bounds its time, and checks its answer.
 *
 * A backend may be a stranger's code. Whatever it does short of blocking the thread, throw, hang, answer nonsense, is
 * turned into a Fault that ends this connection; what the backend said on purpose (a refusal, "nothing here") becomes a
 * Rejection.
 */
import type { Cancellation } from './cancellation.ts';
import { FAULTS, Fault, type FaultCode, type FaultDetails, isInstance, messageOf } from './errors.ts';
import type { Backend, Framing, Refusal, Route, UpgradeRequest } from './plugins/api.ts';
import type { Framings } from './plugins/framings.ts';
import { isFieldValue, isToken } from './rfc6455/http-syntax.ts';
import { hasScheme, type PeerAddress, parseAddress } from './transports/address.ts';
import { requireNative } from './transports/native.ts';

/** A route whose every part is known to be good. */
export interface Plan {
  readonly address: PeerAddress;
  readonly framingName: string;
  readonly framing: Framing;
  readonly subprotocol: string | undefined;
  /** Something for the log that is worth a warning. */
  readonly notice: string | undefined;
}

/** The backend's own no, as it goes to the client. */
export class Rejection extends Error {
  readonly code: FaultCode;
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];

  constructor(
    code: FaultCode,
    status: number,
    text: string,
    headers: readonly (readonly [string, string])[],
  ) {
    super(text);
    this.code = code;
    this.status = status;
    this.headers = headers;
  }
}

/** Header fields that say where an answer ends; a second one would make two answers of it. */
const OURS = ['content-length', 'transfer-encoding', 'connection', 'date', 'content-type'];

/** What a route may have. */
const ROUTE_MEMBERS: Readonly<Record<keyof Route, true>> = {
  peer: true,
  framing: true,
  framingConfig: true,
  subprotocol: true,
  origin: true,
};

export interface RoutingOptions {
  readonly backend: Backend;
  /** For the log, whose reader wants to know which plugin is at fault. */
  readonly backendName: string;
  readonly framings: Framings;
  /** Time for the backend's answer, in ms. 0: no limit. */
  readonly queryTimeout: number;
  /** Most bytes of one message from the peer. */
  readonly segmentBytes: number;
}

/** @throws Rejection for a no of the backend's; Fault for a failure of the backend's; the reason if it was cancelled */
export async function planRoute(
  request: UpgradeRequest,
  options: RoutingOptions,
  cancellation: Cancellation,
): Promise<Plan> {
  const answer: unknown = await ask(request, options, cancellation);
  if (answer === null) {
    throw new Rejection('route-none', FAULTS['route-none'].status, FAULTS['route-none'].text, []);
  }
  try {
    if (typeof answer !== 'object')
      throw new Error(`the backend answered ${typeof answer}; null says that nothing is served`);
    if ('status' in answer) throw readRefusal(answer as Refusal);
    return readRoute(answer as Route, request, options);
  } catch (error) {
    // Whatever reading it threw, a getter of the plugin's perhaps.
    if (isInstance(error, Rejection)) throw error;
    throw new Fault('route-invalid', { ...blame(options, answer), message: messageOf(error) }, error);
  }
}

/** Whose answer it is, and where it is written. */
function blame({ backendName: backend }: RoutingOptions, answer: unknown): FaultDetails {
  try {
    const { origin } = answer as Partial<Route>;
    return { backend, at: typeof origin === 'string' ? origin : undefined };
  } catch {
    return { backend };
  }
}

function ask(
  request: UpgradeRequest,
  { backend, backendName, queryTimeout }: RoutingOptions,
  cancellation: Cancellation,
): Promise<Route | Refusal | null> {
  return new Promise((resolve, reject) => {
    const timer =
      queryTimeout > 0
        ? setTimeout(
            () => cancellation.abort(new Fault('backend-timeout', { backend: backendName })),
            queryTimeout,
          )
        : undefined;
    const settle = () => {
      clearTimeout(timer);
      cancellation.removeEventListener('abort', onAbort);
    };
    const onAbort = () => {
      settle();
      reject(cancellation.reason);
    };
    const onFailure = (error: unknown) => {
      settle();
      reject(new Fault('backend-failed', { backend: backendName, message: messageOf(error) }, error));
    };
    cancellation.addEventListener('abort', onAbort);
    try {
      Promise.resolve(backend.query(request, cancellation.signal)).then((answer) => {
        settle();
        resolve(answer);
      }, onFailure);
    } catch (error) {
      onFailure(error);
    }
  });
}

/** Reads each member once, and keeps what it has read: the plugin may give another answer the next time. */
function readRefusal(refusal: Refusal): Error {
  const { status, reason, headers = [] } = refusal;
  // RFC 9110 §15.4.5: a 304 has no body, and says that the client has what it asked for.
  if (!Number.isInteger(status) || status < 300 || status > 599 || status === 304)
    return new Error(`status ${String(status)} is none from 300 to 599 but for 304`);
  const text = reason ?? FAULTS['route-refused'].text;
  if (typeof text !== 'string') return new Error('the reason is not a string');
  if (!Array.isArray(headers)) return new Error('the headers are not a list of pairs');
  const fields: [string, string][] = [];
  for (const field of headers as readonly unknown[]) {
    const [name, value]: unknown[] = Array.isArray(field) ? field : [];
    if (typeof name === 'string' && OURS.includes(name.toLowerCase()))
      return new Error(`header ${name} is not the backend's to set`);
    if (typeof name !== 'string' || typeof value !== 'string' || !isToken(name) || !isFieldValue(value)) {
      return new Error(`header ${JSON.stringify(field)} cannot be sent`);
    }
    fields.push([name, value]);
  }
  return new Rejection('route-refused', status, oneLine(text), fields);
}

/** Like `readRefusal`, each member once. */
function readRoute(route: Route, request: UpgradeRequest, { framings, segmentBytes }: RoutingOptions): Plan {
  const { peer, framing: framingName = 'auto', framingConfig, subprotocol, origin } = route;
  if (typeof peer !== 'string') throw new Error('the backend answered a route without a peer');
  requireText('framing', framingName);
  requireText('framingConfig', framingConfig);
  requireText('origin', origin);
  for (const member in route) if (!Object.hasOwn(ROUTE_MEMBERS, member)) refuseSlip(route, member);
  if (subprotocol !== undefined && !request.subprotocols.includes(subprotocol)) {
    throw new Error(`subprotocol ${JSON.stringify(subprotocol)} was not offered by the client`);
  }
  const address = addressOf(peer);
  requireNative(address);
  const framing = framings.create(framingName, framingConfig, { maximum: segmentBytes });
  const at = origin === undefined ? '' : `${origin}: `;
  const notice = hasScheme(peer)
    ? undefined
    : `${at}the peer ${JSON.stringify(peer)} names no scheme and is taken as tcp://`;
  return { address, framingName, framing, subprotocol, notice };
}

/** Peers whose addresses are kept. A configuration names fewer; of a backend that makes them up the oldest goes. */
export const MAX_ADDRESSES = 1000;

const addresses = new Map<string, PeerAddress>();

/** What `parseAddress` says of it, read once: most clients go where one before them has gone. */
function addressOf(peer: string): PeerAddress {
  let address = addresses.get(peer);
  if (address === undefined) {
    address = parseAddress(peer);
    if (addresses.size >= MAX_ADDRESSES) addresses.delete(addresses.keys().next().value!);
    addresses.set(peer, address);
  }
  return address;
}

function requireText(member: keyof Route, value: unknown): void {
  if (value === undefined || typeof value === 'string') return;
  throw new Error(
    `the ${member} of the route must be a string, not ${value === null ? 'null' : typeof value}`,
  );
}

/** Members that a route does not have are passed over, but for another spelling of one that is not there. */
function refuseSlip(route: Route, member: string): void {
  const plain = member.toLowerCase().replaceAll(/[-_]/g, '');
  for (const meant of Object.keys(ROUTE_MEMBERS) as (keyof Route)[]) {
    if (meant.toLowerCase() === plain && route[meant] === undefined)
      throw new Error(`the route has a member ${JSON.stringify(member)}; did you mean ${meant}?`);
  }
}

/** Longer reasons are cut. A service's message that a backend passes on may be a whole page. */
const MAX_REASON = 1024;

function oneLine(text: string): string {
  const line = text.slice(0, MAX_REASON).replaceAll(/\s+/g, ' ').trim();
  return text.length > MAX_REASON ? `${line}…` : line;
}
