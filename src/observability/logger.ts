/**
 * One readable line per event, on standard error or wherever the writer leads.
 *
 *     2026-11-23T08:53:59.123Z info  closed id=7 client=127.0.0.1:52344 up=1024 why=peer-closed
 *
 * A level that is off is a method that is not there: `log.debug?.('dialling', { peer })` then costs one test, and its
 * arguments are never made. Values come from clients and peers: what could forge a line or a terminal sequence is
 * escaped, wherever in the line it stands. The value of a field with a secret's name, `authorization` say, is left out.
 */

import { escapeControls } from '../printable.ts';
import { isSecretName, REDACTED } from './redact.ts';

export const LOG_LEVELS = ['error', 'warn', 'info', 'debug', 'trace'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;
export type LogMethod = (event: string, fields?: LogFields) => void;

export type Logger = { readonly error: LogMethod } & {
  readonly [level in Exclude<LogLevel, 'error'>]?: LogMethod;
};

/** @param write takes one line, line feed included, and its level */
export function createLogger(level: LogLevel, write: (line: string, level: LogLevel) => void): Logger {
  const method =
    (name: LogLevel): LogMethod =>
    (event, fields) =>
      write(
        `${new Date().toISOString()} ${name.padEnd(5)} ${formatEvent(event)}${fields === undefined ? '' : formatFields(fields)}\n`,
        name,
      );
  const enabled = LOG_LEVELS.slice(0, LOG_LEVELS.indexOf(level) + 1);
  return Object.freeze(Object.fromEntries(enabled.map((name) => [name, method(name)]))) as unknown as Logger;
}

/** Longer values are cut: a request target may be as long as the request head. */
export const MAX_VALUE = 1024;
/** Ten frames with the longest of paths. */
const MAX_STACK = 8192;
/** A plugin may have a lot to say when it warns. */
const MAX_EVENT = 4096;
/** Ours are words. */
const MAX_NAME = 64;

function formatEvent(event: string): string {
  return escapeControls(cut(event, MAX_EVENT));
}

function formatFields(fields: LogFields): string {
  let text = '';
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const { shown, secret, most } = NAMES.get(name) ?? readName(name);
    text += ` ${shown}=${secret ? REDACTED : formatValue(value, most)}`;
  }
  return text;
}

interface FieldName {
  readonly shown: string;
  readonly secret: boolean;
  /** Of the value's characters. */
  readonly most: number;
}

/** The names that the code has for fields: to judge one takes as long as to write all of a line. */
const NAMES = new Map<string, FieldName>();
const MOST_NAMES = 256;

function readName(name: string): FieldName {
  const isGood = isPlain(name) && name.length <= MAX_NAME;
  const read = {
    shown: isGood ? name : quoted(cut(name, MAX_NAME)),
    secret: isSecretName(name),
    most: name === 'stack' ? MAX_STACK : MAX_VALUE,
  };
  if (isGood && NAMES.size < MOST_NAMES) NAMES.set(name, read);
  return read;
}

/** What is no string is by its type a number or a boolean, but a plugin or an embedding program may not have checked. */
function formatValue(value: string | number | boolean, most: number): string {
  const text = cut(String(value), most);
  return isPlain(text) ? text : quoted(text);
}

/** JSON escapes quotes and line feeds, but leaves what else a terminal obeys. */
function quoted(text: string): string {
  return escapeControls(JSON.stringify(text));
}

function cut(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

/** Whether a value can stand in a line as it is: visible ASCII without what JSON would escape. */
function isPlain(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code <= 0x20 || code >= 0x7f || code === 0x22 || code === 0x5c) return false;
  }
  return text.length > 0;
}
