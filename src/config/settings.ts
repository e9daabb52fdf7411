/** What a command line, the environment or a file says before anyone has judged it: names, values, and where each was written. */

import { escapeControls } from '../printable.ts';

/** In the order of their precedence, the lowest first. */
export type Layer = 'file' | 'environment' | 'arguments';

export interface Setting {
  readonly section: 'core' | 'limits' | 'backend';
  /** In the file's spelling: `port`, `ping`. An option of a backend that comes from the environment: as it stands there. */
  readonly name: string;
  readonly value: string;
  readonly layer: Layer;
  /** For messages: `-p`, or `websocksy.conf:12: port`. */
  readonly origin: string;
  /** The folder from which a plugin's relative path in the value counts. */
  readonly base: string;
}

/** What is longer says no more to whoever reads it: a file's whole line, say, that was no text. */
const MAX_QUOTED = 200;
/** A plugin's own message may be as long as it likes. */
const MAX_MESSAGE = 2_000;

/** A configuration that cannot be used. The message is one line and names the place; the exit status is 2. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(origin: string, message: string) {
    super(escapeControls(cut(origin === '' ? message : `${origin}: ${message}`, MAX_MESSAGE)));
  }
}

/** In quotation marks, on one line, and no longer than can be read. */
export function quote(text: string): string {
  return JSON.stringify(cut(text, MAX_QUOTED));
}

function cut(text: string, maximum: number): string {
  return text.length <= maximum ? text : `${text.slice(0, maximum).replace(/[\ud800-\udbff]$/, '')}…`;
}
