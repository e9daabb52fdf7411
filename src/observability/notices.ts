/**
 * Warnings from before there is a log: a configuration is read before it is known where lines go, and at which level.
 * They are kept until a log is there, and what comes later goes to it at once.
 */
import type { Logger } from './logger.ts';

export class Notices {
  #kept: string[] = [];
  #log: Logger | undefined;

  warn(message: string): void {
    if (this.#log === undefined) this.#kept.push(message);
    else this.#log.warn?.(message);
  }

  attach(log: Logger): void {
    this.#log = log;
    for (const message of this.#kept.splice(0)) log.warn?.(message);
  }

  /** Those that no log has got. */
  get kept(): readonly string[] {
    return this.#kept;
  }
}
