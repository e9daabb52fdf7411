/**
 * Warnings from before there is a log: a configuration is read before it is known where lines go, and at which level.
 * They are kept until a log is there, and what comes later goes to it at once.
 */
import { escapeControls } from '../printable.ts';
import type { Logger } from './logger.ts';

export class Notices {
  #kept: string[] = [];
  #log: Logger | undefined;

  /** A plugin may say anything: whatever it is becomes one line. */
  warn(message: string): void {
    const line = escapeControls(message);
    if (this.#log === undefined) this.#kept.push(line);
    else this.#log.warn?.(line);
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
