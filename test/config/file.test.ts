import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatSetting, parseFile } from '../../src/config/file.ts';
import { ConfigError } from '../../src/config/settings.ts';
import { SEED, SEEDED } from '../support/cuts.ts';

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
    ['port = 1\n[map]', ':2: unknown section "map"; there are [core], [limits], [backend]'],
    ['[]', ':1: unknown section ""; there are [core], [limits], [backend]'],
    ['[__proto__]', ':1: unknown section "__proto__"; there are [core], [limits], [backend]'],
    ['[Core]', ':1: unknown section "Core"; did you mean [core]?'],
    ['a = b\u0000c', ':1: there is a NUL byte in this line; is it a text file?'],
    ['bad\u0000\u001b[31mline', ':1: expected "key = value" or "[section]", not "bad\\u0000\\u001b[31mline"'],
  ])('%j', (text, message) => {
    expect(refusal(text)).toBe(`${PATH}${message}`);
  });
});

describe('every setting of the C daemon works unchanged', () => {
  test.each<[string, string, string[]]>([
    [
      'all keys of core',
      '[core]\nport=8001\nlisten=::\nping=30\nbackend=default\n',
      ['core.port=8001', 'core.listen=::', 'core.ping=30', 'core.backend=default'],
    ],
    [
      'blanks of all kinds around keys, values and sections',
      '\t[core]  \n \t port\t= \t80 \t\n[backend]\n\thost  =tcp://a b\n',
      ['core.port=80', 'backend.host=tcp://a b'],
    ],
    ['no section at all', 'port = 1\nbackend = file\n', ['core.port=1', 'core.backend=file']],
    [
      'sections that come again',
      '[backend]\nhost = a\n[core]\nport = 1\n[backend]\nport = 2\n',
      ['backend.host=a', 'core.port=1', 'backend.port=2'],
    ],
    [
      'separators that look like comments, sections and settings',
      '[backend]\nframing-config = ;\nframing-config=#\nframing-config = [x]\nframing-config = =\n',
      [
        'backend.framing-config=;',
        'backend.framing-config=#',
        'backend.framing-config=[x]',
        'backend.framing-config==',
      ],
    ],
    [
      'the options of a framing, with their own = and ,',
      '[backend]\nframing-config = offset=0,static=4,endian=big\n',
      ['backend.framing-config=offset=0,static=4,endian=big'],
    ],
    ['an empty value', '[backend]\nframing-config =\n', ['backend.framing-config=']],
  ])('%s', (_what, text, settings) => {
    expect(read(text)).toEqual(settings);
    expect(read(text.replaceAll('\n', '\r\n'))).toEqual(settings);
    expect(read(`\ufeff${text.trimEnd()}`)).toEqual(settings);
  });
});

describe('formatSetting', () => {
  test.each([
    ['port', '1', 'port = 1'],
    ['framing-config', '', 'framing-config = '],
    ['framing-config', '# ; [ =', 'framing-config = # ; [ ='],
    ['a b', 'c', 'a b = c'],
  ])('%j with the value %j is %j', (name, value, line) => {
    expect(formatSetting(name, value)).toBe(line);
    expect(parseFile(line, PATH)).toMatchObject([{ name, value }]);
  });

  test.each([
    ['', 'x'],
    [' a', 'x'],
    ['a ', 'x'],
    ['a', ' x'],
    ['a', 'x '],
    ['a', 'x\ny'],
    ['a', 'x\ty'],
    ['a', '\u001b'],
    ['a\nb', 'x'],
    ['a=b', 'x'],
    ['#a', 'x'],
    [';a', 'x'],
    ['[a', 'x'],
  ])('of %j and the value %j there is no such line', (name, value) => {
    expect(formatSetting(name, value)).toBeUndefined();
  });

  test(`gives a line that is read as it was meant, or none (TEST_SEED=${SEED})`, () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string(),
      fc.constantFrom('port', '#', '[core]', '='),
    );
    fc.assert(
      fc.property(text, text, (name, value) => {
        const line = formatSetting(name, value);
        if (line !== undefined) expect(parseFile(`${line}\n`, PATH)).toMatchObject([{ name, value }]);
      }),
      { ...SEEDED, numRuns: 1_000 },
    );
  });
});

test(`any text is read or refused by a ConfigError in one line, never anything else (TEST_SEED=${SEED})`, () => {
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
    { ...SEEDED, numRuns: 1_000 },
  );
});
