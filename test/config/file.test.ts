import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseFile } from '../../src/config/file.ts';
import { ConfigError } from '../../src/config/settings.ts';

const PATH = '/etc/websocksy.conf';

/** What a text sets, as `section.name=value`. */
function read(text: string): string[] {
  return parseFile(text, PATH).map(({ section, name, value }) => `${section}.${name}=${value}`);
}

function refusal(text: string): string {
  try {
    parseFile(text, PATH);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).message;
  }
  throw new Error('expected the text to be refused');
}

const SAMPLE = `# the C daemon's own example
; with both kinds of comments

[core]
port = 8001
  listen=::1
ping	=	30

[backend]
host = tcp://localhost:5900
`;
const SAMPLE_SETTINGS = [
  'core.port=8001',
  'core.listen=::1',
  'core.ping=30',
  'backend.host=tcp://localhost:5900',
];

describe('a file', () => {
  test('has sections, settings trimmed at both ends, comments and blank lines', () => {
    expect(read(SAMPLE)).toEqual(SAMPLE_SETTINGS);
  });

  test.each([
    ['CRLF line ends', SAMPLE.replaceAll('\n', '\r\n')],
    ['a byte order mark', `\ufeff${SAMPLE}`],
    ['no line end at the end', SAMPLE.trimEnd()],
    ['a byte order mark before a section', `\ufeff[core]${SAMPLE.slice(SAMPLE.indexOf('\nport'))}`],
  ])('means the same with %s', (_what, text) => {
    expect(read(text)).toEqual(SAMPLE_SETTINGS);
  });

  test('may be empty', () => {
    expect(read('')).toEqual([]);
    expect(read('\n\n# nothing\n')).toEqual([]);
  });

  test('tells of each setting where it stands, and from where its paths count', () => {
    expect(parseFile('\n[backend]\nframing = ./x.mjs\n', PATH)).toEqual([
      {
        section: 'backend',
        name: 'framing',
        value: './x.mjs',
        layer: 'file',
        origin: `${PATH}:3: framing`,
        base: '/etc',
      },
    ]);
    expect(parseFile('port = 1', 'local.conf')[0]).toMatchObject({ origin: 'local.conf:1: port', base: '.' });
  });

  test('counts what stands before the first section as core', () => {
    expect(read('port = 1\n[backend]\nhost = a\n[core]\nping = 2\n')).toEqual([
      'core.port=1',
      'backend.host=a',
      'core.ping=2',
    ]);
  });

  test('takes section names with blanks inside the brackets and around them', () => {
    expect(read('  [ backend ]  \nhost = a')).toEqual(['backend.host=a']);
  });
});

describe('a comment', () => {
  test('is a whole line, never a part of one: a value may be or hold the sign', () => {
    expect(read('[backend]\nframing-config = ;\nhost = a # b ; c\nprotocol = #\n')).toEqual([
      'backend.framing-config=;',
      'backend.host=a # b ; c',
      'backend.protocol=#',
    ]);
  });

  test.each(['#port = 1', ';port = 1', '   # port = 1', '\t;x', '#', ';', '#[core'])('%j is one', (line) => {
    expect(read(`${line}\n`)).toEqual([]);
  });
});

describe('a value', () => {
  test.each([
    ['host = a = b', 'backend.host=a = b'],
    ['host =', 'backend.host='],
    ['host=[::1]:80', 'backend.host=[::1]:80'],
    ['host = "quoted"', 'backend.host="quoted"'],
    ['framing-config = \\r\\n', 'backend.framing-config=\\r\\n'],
    ['host = gr\u00fcn', 'backend.host=gr\u00fcn'],
  ])('%j', (line, setting) => {
    expect(read(`[backend]\n${line}`)).toEqual([setting]);
  });

  test('of a repeated key stands for itself each time, in order', () => {
    expect(read('[backend]\nexpression = a\nexpression = b\n')).toEqual([
      'backend.expression=a',
      'backend.expression=b',
    ]);
  });
});

describe('an error names file and line, and what was expected', () => {
  test.each([
    ['port 8001', ':1: expected "key = value" or "[section]", not "port 8001"'],
    ['# fine\n\n= 8001', ':3: expected "key = value" or "[section]", not "= 8001"'],
    ['port = 1\r\nx\r\n', ':2: expected "key = value" or "[section]", not "x"'],
    ['[core', ':1: expected a section as in [core], not "[core"'],
    ['[core] # comment', ':1: expected a section as in [core], not "[core] # comment"'],
    ['[bakcend]', ':1: unknown section "bakcend"; did you mean [backend]?'],
    ['port = 1\n[map]', ':2: unknown section "map"; there are [core] and [backend]'],
    ['[]', ':1: unknown section ""; there are [core] and [backend]'],
    ['[__proto__]', ':1: unknown section "__proto__"; there are [core] and [backend]'],
    ['[Core]', ':1: unknown section "Core"; did you mean [core]?'],
    ['bad\u0000\u001b[31mline', ':1: expected "key = value" or "[section]", not "bad\\u0000\\u001b[31mline"'],
  ])('%j', (text, message) => {
    expect(refusal(text)).toBe(`${PATH}${message}`);
  });
});

test('any text is read or refused by a ConfigError in one line, never anything else', () => {
  const line = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      '[core]',
      '[backend]',
      '[',
      ']',
      '=',
      'a=',
      '=b',
      '#',
      ';',
      '\ufeff',
      '\r',
      'port = 1',
      '[]',
    ),
  );
  const text = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('utf8')),
    fc.array(line, { maxLength: 12 }).map((lines) => lines.join('\n')),
  );
  fc.assert(
    fc.property(text, (given) => {
      try {
        for (const setting of parseFile(given, PATH)) {
          expect(['core', 'backend']).toContain(setting.section);
          expect(setting.name).toBe(setting.name.trim());
          expect(setting.name).not.toBe('');
          expect(setting.value).toBe(setting.value.trim());
        }
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        expect(error.message).toMatch(/^\/etc\/websocksy\.conf:\d+: /);
        expect(error.message).not.toContain('\n');
      }
    }),
    { numRuns: 1_000 },
  );
});
