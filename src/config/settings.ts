/** What a command line, the environment or a file says before anyone has judged it: names, values, and where each was written. */

import { escapeControls } from '../printable.ts';

/** In the order of their precedence, the lowest first. */
export type Layer = 'file' | 'environment' | 'arguments';

export interface Setting {
  readonly section: 'core' | 'backend';
  /** In the file's spelling: `port`, `ping`. An option of a backend that comes from the environment: as it stands there. */
  readonly name: string;
  readonly value: string;
  readonly layer: Layer;
  /** For messages: `-p`, or `websocksy.conf:12: port`. */
  readonly origin: string;
  /** The folder from which a plugin's relative path in the value counts. */
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
