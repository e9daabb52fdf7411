/**
 * From a client's request to what its connection is made of: asks the backend, bounds its time, and checks its answer.
 *
 * A backend may be a stranger's code. Whatever it does short of blocking the thread, throw, hang, answer nonsense, is
 * turned into a Fault that ends this connection; what the backend said on purpose (a refusal, "nothing here") becomes a
 * Rejection.
 */
import { FAULTS, Fault, type FaultCode, messageOf } from './errors.ts';
import type { Backend, Framing, Refusal, Route, UpgradeRequest } from './plugins/api.ts';
import type { Framings } from './plugins/loader.ts';
import { isFieldValue, isToken } from './rfc6455/http-syntax.ts';
import { type PeerAddress, parseAddress } from './transports/address.ts';

/** A route whose every part is known to be good. */
export interface Plan {
  readonly address: PeerAddress;
  readonly framingName: string;
  readonly framing: Framing;
  readonly subprotocol: string | undefined;
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

export interface RoutingOptions {
  readonly backend: Backend;
  readonly framings: Framings;
  /** Time for the backend's answer, in ms. 0: no limit. */
  readonly queryTimeout: number;
}

/** @throws Rejection for a no of the backend's; Fault for a failure of the backend's; the signal's reason if aborted */
export async function planRoute(
  request: UpgradeRequest,
  options: RoutingOptions,
  controller: AbortController,
): Promise<Plan> {
  const answer = await ask(request, options, controller);
  if (answer === null || answer === undefined) {
    throw new Rejection('route-none', FAULTS['route-none'].status, FAULTS['route-none'].text, []);
  }
  if (typeof answer !== 'object') throw invalid(`the backend answered ${typeof answer}`);
  if ('status' in answer) throw readRefusal(answer);
  return readRoute(answer, request, options.framings);
}

function ask(
  request: UpgradeRequest,
  { backend, queryTimeout }: RoutingOptions,
  controller: AbortController,
): Promise<Route | Refusal | null> {
  const { signal } = controller;
  return new Promise((resolve, reject) => {
    const timer =
      queryTimeout > 0
        ? setTimeout(() => controller.abort(new Fault('backend-timeout')), queryTimeout)
        : undefined;
    const settle = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    };
    const onAbort = () => {
      settle();
      reject(signal.reason);
    };
    const onFailure = (error: unknown) => {
      settle();
      reject(new Fault('backend-failed', { message: messageOf(error) }, error));
    };
    signal.addEventListener('abort', onAbort);
    try {
      Promise.resolve(backend.query(request, signal)).then((answer) => {
        settle();
        resolve(answer);
      }, onFailure);
    } catch (error) {
      onFailure(error);
    }
  });
}

function readRefusal(refusal: Refusal): Rejection | Fault {
  const { status, reason, headers = [] } = refusal;
  if (!Number.isInteger(status) || status < 300 || status > 599)
    return invalid(`status ${String(status)} is not 300 to 599`);
  const text = reason ?? FAULTS['route-refused'].text;
  if (typeof text !== 'string') return invalid('the reason is not a string');
  if (!Array.isArray(headers)) return invalid('the headers are not a list of pairs');
  for (const field of headers) {
    const [name, value] = Array.isArray(field) ? field : [];
    if (typeof name === 'string' && OURS.includes(name.toLowerCase()))
      return invalid(`header ${name} is not the backend's to set`);
    if (typeof name !== 'string' || typeof value !== 'string' || !isToken(name) || !isFieldValue(value)) {
      return invalid(`header ${JSON.stringify(field)} cannot be sent`);
    }
  }
  return new Rejection('route-refused', status, text, headers);
}

function readRoute(route: Route, request: UpgradeRequest, framings: Framings): Plan {
  const { subprotocol, framing: framingName = 'auto', framingConfig } = route;
  if (typeof route.peer !== 'string') throw invalid('the backend answered a route without a peer');
  if (subprotocol !== undefined && !request.subprotocols.includes(subprotocol)) {
    throw invalid(`subprotocol ${JSON.stringify(subprotocol)} was not offered by the client`);
  }
  try {
    const address = parseAddress(route.peer);
    return { address, framingName, framing: framings.create(framingName, framingConfig), subprotocol };
  } catch (error) {
    throw invalid(messageOf(error), error);
  }
}

function invalid(message: string, cause?: unknown): Fault {
  return new Fault('route-invalid', { message }, cause);
}
