/** What a command line or a file says before anyone has judged it: names, values, and where each was written. */

import { escapeControls } from '../printable.ts';

export interface Setting {
  readonly section: 'core' | 'backend';
  /** In the file's spelling: `port`, `ping`. */
  readonly name: string;
  readonly value: string;
  /** For messages: `-p`, or `websocksy.conf:12: port`. */
  readonly origin: string;
  /** The folder from which a relative path in the value counts. */
  readonly base: string;
}

/** A configuration that cannot be used. The message is one line and names the place; the exit status is 2. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(origin: string, message: string) {
    super(escapeControls(origin === '' ? message : `${origin}: ${message}`));
  }
}

export function quote(text: string): string {
  return JSON.stringify(text);
}
