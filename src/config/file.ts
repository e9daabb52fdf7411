/**
 * The configuration file of the C daemon: sections in brackets, `key = value` lines, comments.
 *
 * A comment is a whole line that begins with `#` or `;`. Never a part of one: `framing-config = ;` is a setting that
 * people use. What the C daemon passed over in silence (a line without `=`, an unknown section) is an error here.
 */
import { isUtf8 } from 'node:buffer';
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf } from '../errors.ts';
import { nearest } from '../nearest.ts';
import { escapeControls } from '../printable.ts';
import { ConfigError, quote, type Setting } from './settings.ts';

const SECTIONS = ['core', 'limits', 'backend'] as const;

/** 1 MiB: thousands of times what a configuration needs, and little enough to be read at once. */
const MAX_FILE_BYTES = 1 << 20;

/** What the system's codes mean to whoever named the file. */
const READ_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'not permitted to read it',
};

/**
 * Reads a file's bytes as UTF-8. In a comment they may be any: there is a lot of Latin-1 about.
 *
 * @param origin where the file was named, if that is not plain to see
 * @throws ConfigError that names the file, and for bytes that are no UTF-8 the line
 */
export function readConfigFile(path: string, origin = ''): string {
  let bytes: Buffer;
  try {
    bytes = readBounded(path);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    const reason = READ_ERRORS[code] ?? messageOf(error);
    throw new ConfigError(origin, `cannot read the configuration file ${quote(path)}: ${reason}`);
  }
  const text = bytes.toString('utf8');
  if (isUtf8(bytes)) return text;
  // A line feed is no part of any longer sequence, so that lines are the same before and after the decoding.
  let start = 0;
  for (const [index, line] of text.split('\n').entries()) {
    const end = bytes.indexOf(0x0a, start);
    const raw = bytes.subarray(start, end < 0 ? undefined : end);
    if (!isComment(line.trim()) && !isUtf8(raw))
      throw new ConfigError(`${path}:${index + 1}`, 'this line is not UTF-8; save the file in that encoding');
    start = end + 1;
  }
  return text;
}

/** Only of what has an end: a FIFO or a terminal would be waited for. */
function readBounded(path: string): Buffer {
  // Otherwise the opening of a FIFO waits for a writer.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(file);
    if (stats.isDirectory()) throw new Error('it is a folder');
    if (!stats.isFile()) throw new Error('it is no regular file');
    if (stats.size > MAX_FILE_BYTES)
      throw new Error(`it has ${stats.size} bytes, but at most ${MAX_FILE_BYTES} are read`);
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}

/**
 * Reads a file's text. Lines before the first section count as `[core]`.
 *
 * @param path names the file in messages, and is where relative paths in it count from
 * @throws ConfigError that names file and line
 */
export function parseFile(text: string, path: string): Setting[] {
  const settings: Setting[] = [];
  const base = dirname(path);
  let section: Setting['section'] = 'core';
  const lines = text.replace(/^\ufeff/, '').split('\n');
  for (const [index, raw] of lines.entries()) {
    const line = raw.trim();
    const place = `${path}:${index + 1}`;
    if (line === '' || isComment(line)) continue;
    if (line.startsWith('[')) {
      section = parseSection(line, place);
      continue;
    }
    const equals = line.indexOf('=');
    if (equals < 1) throw new ConfigError(place, `expected "key = value" or "[section]", not ${quote(line)}`);
    if (line.includes('\0'))
      throw new ConfigError(place, 'there is a NUL byte in this line; is it a text file?');
    const name = line.slice(0, equals).trim();
    const value = line.slice(equals + 1).trim();
    settings.push({ section, name, value, layer: 'file', origin: `${place}: ${name}`, base });
  }
  return settings;
}

/** The line from which a file has this setting; undefined if there is none, since no quotes or escapes exist. */
export function formatSetting(name: string, value: string): string | undefined {
  const line = `${name} = ${value}`;
  const isTrimmed = name !== '' && name.trim() === name && value.trim() === value;
  return isTrimmed && !/^[#;[]|=/.test(name) && escapeControls(line) === line ? line : undefined;
}

function isComment(line: string): boolean {
  return line.startsWith('#') || line.startsWith(';');
}

function parseSection(line: string, place: string): Setting['section'] {
  const name = line.endsWith(']') ? line.slice(1, -1).trim() : undefined;
  if (name === undefined) throw new ConfigError(place, `expected a section as in [core], not ${quote(line)}`);
  const section = SECTIONS.find((known) => known === name);
  if (section !== undefined) return section;
  const guess = nearest(name, SECTIONS);
  const hint = guess === undefined ? `there are [${SECTIONS.join('], [')}]` : `did you mean [${guess}]?`;
  throw new ConfigError(place, `unknown section ${quote(name)}; ${hint}`);
}
