/**
 * Every regular expression of the daemon, with what it is given and why it cannot take time in more than proportion to
 * that. A new one is not in the list, and fails the test until somebody has thought about it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Cancellation } from '../../src/cancellation.ts';
import { parseFile } from '../../src/config/file.ts';
import { parseExpression } from '../../src/plugins/backends/expression.ts';
import { chooseTarget } from '../../src/plugins/backends/target-lines.ts';
import { Framings } from '../../src/plugins/framings.ts';
import { negotiate } from '../../src/rfc6455/permessage-deflate.ts';
import { planRoute } from '../../src/routing.ts';
import { parseAddress } from '../../src/transports/address.ts';
import { parseServices } from '../../src/transports/services.ts';
import { MIB } from '../support/ws-wire.ts';
import { regexpLiterals } from './regexp-literals.ts';

const ROOT = new URL('../../', import.meta.url);

const ONE_CLASS = 'one class from end to end';
const ONE_PLACE = 'matches at one place, of bounded length';
const DISJOINT = 'each part ends where the next begins: no character fits both';

/** By file: the expression, whose text it is given, and why it is linear. */
const REVIEWED: Readonly<Record<string, readonly (readonly [regexp: string, given: string, why: string])[]>> =
  {
    'src/config/argv.ts': [['/^=/', 'an argument', ONE_PLACE]],
    'src/config/config.ts': [['/\\s[#;]/', 'a line of the configuration', 'two characters']],
    'src/config/environment.ts': [
      ['/^(tcp|udp|sctp):\\/\\//', 'a variable', ONE_PLACE],
      ['/[^A-Z0-9]/g', "an option's name", 'one character'],
    ],
    'src/config/file.ts': [
      ['/^\\ufeff/', 'the configuration file', ONE_PLACE],
      ['/^[#;[]|=/', "an option's name", 'one character'],
    ],
    'src/config/limit-options.ts': [
      ['/^[0-9]{1,9}$/', 'a value of the configuration', ONE_PLACE],
      ['/^([0-9]{1,13})([KMG]?)$/', 'a value of the configuration', ONE_PLACE],
      ['/^[0-9]{1,5}(\\.[0-9]{1,3})?$/', 'a value of the configuration', ONE_PLACE],
    ],
    'src/config/options.ts': [
      ['/^[0-9]{1,9}$/', 'a value of the configuration', ONE_PLACE],
      ['/^0?[0-7]{3}$/', 'a value of the configuration', ONE_PLACE],
      ['/^[A-Za-z0-9._][A-Za-z0-9._-]*$/', 'a value of the configuration', ONE_CLASS],
      [
        '/^[^/]+:[0-9]+$/',
        'a value of the configuration',
        'a colon is in the first class, but the digits behind each are looked at once',
      ],
    ],
    'src/config/settings.ts': [['/[\\ud800-\\udbff]$/', 'text for a message, cut before', 'one character']],
    'src/descriptors.ts': [['/^Max open files +(\\S+)/m', "the system's table of limits", DISJOINT]],
    'src/observability/log-output.ts': [['/^[A-Z0-9_]{1,40}$/', "an error's code", ONE_PLACE]],
    'src/observability/redact.ts': [
      [
        '/token|secret|passw|passphrase|credential|authoriz|authenti|session|sessid|signature|cookie|bearer|apikey|jwt/',
        'the name of a parameter or of a field',
        'words of bounded length',
      ],
      ['/[=@%]|eyJ/', "the client's target, up to 16 KiB", 'at most three characters'],
      ['/[^A-Za-z]+/g', 'the name of a parameter or of a field', ONE_CLASS],
      ['/([a-z])([A-Z])/g', 'the name of a parameter or of a field', 'two characters'],
      ['/[^a-z]/', 'the name of a parameter or of a field', 'one character'],
      ['/%([0-7][0-9a-f])/gi', "the client's target, up to 16 KiB", 'three characters'],
    ],
    'src/plugins/backends/expression.ts': [
      ["/^[!#$&'*+\\-.^_`|~0-9A-Za-z]+$/", 'an expression of the configuration', ONE_CLASS],
      ['/^[\\x21-\\x3a\\x3c\\x3e-\\x7e]+$/', 'an expression of the configuration', ONE_CLASS],
      ['/%[^%]*%?|\\/|[^%/]+/g', 'an expression of the configuration', DISJOINT],
      ['/\\/$/', "the client's target, up to 16 KiB", 'one character'],
    ],
    'src/plugins/backends/target-lines.ts': [
      [
        '/^([^ \\t]+)[ \\t]+([^ \\t]+)(?:[ \\t]+([^ \\t]+)(?:[ \\t]+(.+))?)?$/s',
        'a line of a target file, up to 1 MiB',
        'anchored; fields and blanks are disjoint, and the last group takes whatever is left',
      ],
    ],
    'src/plugins/framings/integer.ts': [
      [
        '/^([+-]?)(?:0x([0-9a-f]+)|0([0-7]+)|(0|[1-9][0-9]*))$/i',
        'a configuration',
        'the ways differ in their beginnings',
      ],
    ],
    'src/plugins/framings/separator.ts': [
      ['/\\\\(?:x.{0,2}|.|$)|[^\\\\]+/gsu', 'a configuration', DISJOINT],
      ['/^\\\\x[0-9a-f]{2}$/i', 'a configuration', ONE_PLACE],
    ],
    'src/plugins/loader.ts': [['/[\\r\\n]+/', "a plugin's message", ONE_CLASS]],
    'src/plugins/modules.ts': [
      [
        '/^(@[a-z0-9~-][a-z0-9._~-]*\\/)?[A-Za-z0-9~-][A-Za-z0-9._~-]*(\\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$/',
        "a plugin's name in the configuration",
        'a slash parts the pieces, and is in none of them',
      ],
    ],
    'src/rfc6455/permessage-deflate.ts': [
      ['/^(?:[89]|1[0-5])$/', "the client's offer, up to 16 KiB", ONE_PLACE],
    ],
    'src/routing.ts': [
      ['/[-_]/g', "a member of a backend's answer", 'one character'],
      ['/\\s+/g', "a backend's reason, cut at 1024 characters", ONE_CLASS],
    ],
    'src/transports/address.ts': [
      ['/^[A-Za-z0-9-]+$/', 'a port of the configuration, of a target file, or of a backend', ONE_CLASS],
      ['/[A-Za-z]/', 'the same', 'one character'],
      ['/^[0-9]{1,9}$/', 'a port', ONE_PLACE],
      [
        '/%.*:/',
        'an IPv6 address that Node has taken for one: a zone has one percent sign',
        'one place to begin',
      ],
      ['/^[A-Za-z0-9._\\u0080-\\uffff-]+$/', 'a host of at most 253 characters', ONE_CLASS],
    ],
    'src/transports/dial.ts': [['/^::ffff:/i', 'an IP address', ONE_PLACE]],
    'src/transports/services.ts': [
      ['/\\s+/', 'a line of /etc/services', ONE_CLASS],
      ['/^([0-9]{1,5})\\/([a-z]+)$/', 'a word of /etc/services', DISJOINT],
    ],
  };

function sources(folder: string): string[] {
  return readdirSync(new URL(folder, ROOT), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => posix.join(folder, name));
}

test('each regular expression has been reviewed, and no other is in the list', () => {
  const found: Record<string, string[]> = {};
  for (const file of ['src/', 'bin/'].flatMap(sources)) {
    const literals = new Set(regexpLiterals(readFileSync(new URL(file, ROOT), 'utf8')));
    if (literals.size > 0) found[file] = [...literals].sort();
  }
  const reviewed = Object.entries(REVIEWED).map(([file, rows]) => [
    file,
    rows.map(([regexp]) => regexp).sort(),
  ]);
  expect(found).toEqual(Object.fromEntries(reviewed));
});

test('none is made of text, where no review could see it', () => {
  const makers = ['src/', 'bin/']
    .flatMap(sources)
    .filter((file) => /\bRegExp\(/.test(readFileSync(new URL(file, ROOT), 'utf8')));
  expect(makers).toEqual([]);
});

describe('the search for them', () => {
  test.each([
    ['const a = /x/g;', ['/x/g']],
    ['a / b / c', []],
    ['(a) / b / c', []],
    ['a[0] / b / c', []],
    ['return /[/]\\//u.test(a)', ['/[/]\\//u']],
    ['// /x/', []],
    ['/* /x/ */ f(/y/)', ['/y/']],
    // \x24: a dollar sign.
    ['\'/x/\' + "/y/" + `/z/\x24{f(/in/)}/z/`', ['/in/']],
    ['`\x24{{ a: `\x24{/b/}` }}` + /c/', ['/b/', '/c/']],
    ['#!/usr/bin/env node\n[/x/, /y/]', ['/x/', '/y/']],
    ["'it\\'s' ? /a/ : 1 / 2 / 3", ['/a/']],
  ])('in %s', (source, expected) => {
    expect(regexpLiterals(source)).toEqual(expected);
  });
});

// No clock: one that took the square of 1 MiB would not end within the time that a test has.
describe('1 MiB of what is hardest for it takes no time to speak of:', () => {
  const route = (answer: object) =>
    planRoute(
      {} as never,
      {
        backend: { query: async () => answer } as never,
        backendName: 'test',
        framings: new Framings(),
        queryTimeout: 0,
        segmentBytes: 1,
      },
      new Cancellation(),
    ).catch(() => {});
  const options = {
    level: 6,
    windowBits: 15,
    serverTakeover: true,
    clientTakeover: true,
    threshold: 64,
    connections: 1,
  };

  test.each<[string, (fill: (text: string) => string) => unknown]>([
    [
      'a window in an offer',
      (fill) => {
        const parameters = [{ name: 'server_max_window_bits', value: fill('1') }];
        return negotiate([{ name: 'permessage-deflate', parameters }], options);
      },
    ],
    ['a line of a target file that has one field', (fill) => chooseTarget(fill('a'), [])],
    ['a line of a target file with nothing but blanks in it', (fill) => chooseTarget(`a${fill(' ')}b`, [])],
    ['a line of a target file with many fields', (fill) => chooseTarget(fill('a '), [])],
    ["a backend's reason of blanks", (fill) => route({ status: 403, reason: fill(' ') })],
    ["a member of a backend's answer", (fill) => route({ peer: 'echo://', [fill('-')]: 1 })],
    ['a host', (fill) => expect(() => parseAddress(`tcp://${fill('a')}!`)).toThrow()],
    ['a host of colons', (fill) => expect(() => parseAddress(`tcp://${fill(':')}`)).toThrow()],
    ['a zone', (fill) => expect(() => parseAddress(`tcp://[fe80::1${fill('%')}]:1`)).toThrow()],
    ['a port', (fill) => expect(() => parseAddress(`tcp://h:${fill('a')}!`)).toThrow()],
    ['a scheme', (fill) => expect(() => parseAddress(`${fill('a:')}//`)).toThrow()],
    ['an expression', (fill) => expect(() => parseExpression(`${fill('%')}x%`)).toThrow()],
    ['a configuration file', (fill) => parseFile(`a =${fill(' #')}`, 'a.conf')],
    ['a list of services', (fill) => parseServices(`${fill(' ')}1${fill('1')}/`)],
  ])('%s', async (_, parse) => {
    await parse((text) => text.repeat(MIB / text.length));
  });
});
