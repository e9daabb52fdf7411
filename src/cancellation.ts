/**
 * Tells whoever works for a connection that is not open yet that it is not wanted any more.
 *
 * It is an AbortController to which it costs nothing to listen: with the listeners of ours on its signal, the connection
 * of a client that comes and goes cost 3 % more (Node 20). The signal is made for who asks for it, a backend.
 */

/** What a worker listens to. Every AbortSignal is one. */
export interface CancelSignal {
  readonly aborted: boolean;
  /** Why, if it is aborted. */
  readonly reason: unknown;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

export class Cancellation implements CancelSignal {
  readonly #onError: (thrown: unknown) => void;
  readonly #listeners: (() => void)[] = [];
  #aborted = false;
  #reason: unknown;
  #controller: AbortController | undefined;

  /** @param onError is told of what a stranger's listener throws */
  constructor(onError: (thrown: unknown) => void = () => {}) {
    this.#onError = onError;
  }

  get aborted(): boolean {
    return this.#aborted;
  }

  get reason(): unknown {
    return this.#reason;
  }

  /** The same, as a signal of Node's. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      contain(this.#controller.signal, this.#onError);
      if (this.#aborted) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** The first reason counts. Listeners of `signal` hear of it last. */
  abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    for (const listener of this.#listeners.splice(0)) listener();
    this.#controller?.abort(reason);
  }

  addEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.push(listener);
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    const at = this.#listeners.indexOf(listener);
    if (at >= 0) this.#listeners.splice(at, 1);
  }
}

type AddListener = AbortSignal['addEventListener'];
type RemoveListener = AbortSignal['removeEventListener'];
type Listener = Parameters<AddListener>[1];

/** Who is told of what a signal's listeners throw. */
const reporters = new WeakMap<AbortSignal, (thrown: unknown) => void>();
const contained = new WeakMap<object, Listener>();

/**
 * A signal whose listeners may throw. Node throws it again where nobody can catch it, which would end the process because
 * a client left while a backend with a mistake in it was at work. `onabort` adds a listener, too.
 */
class ContainedSignal extends AbortSignal {
  override addEventListener(...[type, listener, options]: Parameters<AddListener>): void {
    super.addEventListener(type, containing(listener), options);
  }

  override removeEventListener(...[type, listener, options]: Parameters<RemoveListener>): void {
    super.removeEventListener(type, containing(listener), options);
  }
}

function contain(signal: AbortSignal, onError: (thrown: unknown) => void): void {
  reporters.set(signal, onError);
  Object.setPrototypeOf(signal, ContainedSignal.prototype);
}

function containing(listener: Listener): Listener {
  if (typeof listener !== 'function' && (typeof listener !== 'object' || listener === null)) return listener;
  let container = contained.get(listener);
  if (container === undefined) {
    container = function (this: AbortSignal, event: Event) {
      try {
        if (typeof listener === 'function') listener.call(this, event);
        else listener.handleEvent(event);
      } catch (error) {
        reporters.get(this)?.(error);
      }
    };
    contained.set(listener, container);
  }
  return container;
}
