/**
 * The configuration file of the C daemon: sections in brackets, `key = value` lines, comments.
 *
 * A comment is a whole line that begins with `#` or `;`. Never a part of one: `framing-config = ;` is a setting that
 * people use. What the C daemon passed over in silence (a line without `=`, an unknown section) is an error here.
 */
import { dirname } from 'node:path';
import { nearest } from '../nearest.ts';
import { ConfigError, quote, type Setting } from './settings.ts';

const SECTIONS = ['core', 'backend'] as const;

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
    if (line === '' || line.startsWith('#') || line.startsWith(';')) continue;
    if (line.startsWith('[')) {
      section = parseSection(line, place);
      continue;
    }
    const equals = line.indexOf('=');
    if (equals < 1) throw new ConfigError(place, `expected "key = value" or "[section]", not ${quote(line)}`);
    const name = line.slice(0, equals).trim();
    const value = line.slice(equals + 1).trim();
    settings.push({ section, name, value, layer: 'file', origin: `${place}: ${name}`, base });
  }
  return settings;
}

function parseSection(line: string, place: string): Setting['section'] {
  const name = line.endsWith(']') ? line.slice(1, -1).trim() : undefined;
  if (name === undefined) throw new ConfigError(place, `expected a section as in [core], not ${quote(line)}`);
  const section = SECTIONS.find((known) => known === name);
  if (section !== undefined) return section;
  const guess = nearest(name, SECTIONS);
  const hint = guess === undefined ? `there are [${SECTIONS.join('] and [')}]` : `did you mean [${guess}]?`;
  throw new ConfigError(place, `unknown section ${quote(name)}; ${hint}`);
}
