/** Lets a session wait for what its sides have seen: they ring whenever there is something new. */
export class Bell {
  readonly #waiting = new Set<() => void>();
  #over: string | undefined;

  ring(): void {
    for (const look of this.#waiting) look();
  }

  /** From now on nobody waits any more. */
  stop(reason: string): void {
    this.#over = reason;
    this.ring();
  }

  /** Rejects when the bell has been stopped. */
  until(what: string, ready: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const done = ready();
        if (!done && this.#over === undefined) return;
        this.#waiting.delete(look);
        if (done) resolve();
        else reject(new Error(`${this.#over} for ${what}`));
      };
      this.#waiting.add(look);
      look();
    });
  }
}
