/**
 * One readable line per event, on standard error or wherever the writer leads.
 *
 *     2026-11-23T08:53:59.123Z info  closed id=7 client=127.0.0.1:52344 up=1024 why=peer-closed
 *
 * A level that is off is a method that is not there: `log.debug?.('dialling', { peer })` then costs one test, and its
 * arguments are never made. Values come from clients and peers: what could forge a line or a terminal sequence is
 * escaped.
 */

import { escapeControls } from '../printable.ts';

export const LOG_LEVELS = ['error', 'warn', 'info', 'debug', 'trace'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;
type LogMethod = (event: string, fields?: LogFields) => void;

export type Logger = { readonly error: LogMethod } & {
  readonly [level in Exclude<LogLevel, 'error'>]?: LogMethod;
};

/** @param write takes one line, line feed included */
export function createLogger(level: LogLevel, write: (line: string) => void): Logger {
  const method =
    (name: LogLevel): LogMethod =>
    (event, fields) =>
      write(
        `${new Date().toISOString()} ${name.padEnd(5)} ${event}${fields === undefined ? '' : formatFields(fields)}\n`,
      );
  const enabled = LOG_LEVELS.slice(0, LOG_LEVELS.indexOf(level) + 1);
  return Object.freeze(Object.fromEntries(enabled.map((name) => [name, method(name)]))) as unknown as Logger;
}

function formatFields(fields: LogFields): string {
  let text = '';
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) text += ` ${name}=${formatValue(value)}`;
  }
  return text;
}

/** Longer values are cut: a request target may be as long as the request head. */
const MAX_VALUE = 1024;

function formatValue(value: string | number | boolean): string {
  if (typeof value !== 'string') return String(value);
  const cut = value.length > MAX_VALUE ? `${value.slice(0, MAX_VALUE)}…` : value;
  // JSON escapes quotes and line feeds, but leaves what else a terminal obeys.
  return isPlain(cut) ? cut : escapeControls(JSON.stringify(cut));
}

/** Whether a value can stand in a line as it is: visible ASCII without what JSON would escape. */
function isPlain(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code <= 0x20 || code >= 0x7f || code === 0x22 || code === 0x5c) return false;
  }
  return text.length > 0;
}
