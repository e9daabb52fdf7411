/** docs/configuration.md against the code: its options, variables, defaults and statuses, and the output that it quotes. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ALL_FLAGS } from '../../src/config/argv.ts';
import { FILE_VARIABLE, isVariableOf, variableOf } from '../../src/config/environment.ts';
import { parseFile } from '../../src/config/file.ts';
import { DAEMON_OPTIONS, OPTION_NAMES } from '../../src/config/tables.ts';
import defaultBackend from '../../src/plugins/backends/default.ts';
import { MAX_SOCKET_PATH } from '../../src/transports/address.ts';
import { runCommand } from '../support/daemon.ts';

const PAGE = new URL('../../docs/configuration.md', import.meta.url);
const page = readFileSync(PAGE, 'utf8');

/** The rows of the tables of options: option, flags, variable, default, meaning. */
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) => line.split('|').slice(1, -1))
  .map((cells) => cells.map((cell) => cell.trim().replaceAll(/^`(.*)`$/g, '$1')))
  .filter((cells) => cells.length === 5 && cells[0] !== 'option');
const core = rows.slice(0, -Object.keys(defaultBackend.options).length);
const backend = rows.slice(core.length);

describe('the table of the daemon’s options', () => {
  test('has all of them, in the order of the code, and no other', () => {
    expect(core.map(([name]) => name)).toEqual(OPTION_NAMES);
  });

  test.each(OPTION_NAMES)('tells flags, variable and default of %s', (name) => {
    const spec = DAEMON_OPTIONS[name];
    const [, flags, variable, standard, meaning] = core.find(([first]) => first === name)!;
    expect(flags!.replaceAll('`', '')).toBe(`${spec.flags.join(', ')} ${spec.placeholder}`);
    expect(variable).toBe(variableOf(name));
    expect(standard).toBe(spec.defaultText ?? String(spec.default));
    expect(meaning).toMatch(/\.$/);
    expect(/May be repeated\./.test(meaning!)).toBe(spec.repeatable === true);
  });
});

describe('the table of the default backend’s options', () => {
  test('has all of them, in the order of the code, and no other', () => {
    expect(backend.map(([name]) => name)).toEqual(Object.keys(defaultBackend.options));
  });

  test.each(Object.entries(defaultBackend.options))(
    'tells flag, variable and default of %s',
    (name, option) => {
      const [, flag, variable, standard] = backend.find(([first]) => first === name)!;
      expect(flag).toBe(`-c ${name}=…`);
      expect(variable!.startsWith('WEBSOCKSY_BACKEND_OPTION_')).toBe(true);
      expect(isVariableOf(variable!.slice('WEBSOCKSY_BACKEND_OPTION_'.length), name)).toBe(true);
      expect(standard).toBe('default' in option ? option.default : '');
    },
  );
});

test.each(ALL_FLAGS)('it names the flag %s', (flag) => {
  expect(page).toMatch(new RegExp(`[\`\\s]${flag}[\`\\s]`));
});

test('it names the variable of the file', () => {
  expect(page).toContain(`\`${FILE_VARIABLE}\``);
});

test('it names no variable that there is not', () => {
  const known = [
    ...OPTION_NAMES.map((name) => variableOf(name)),
    ...backend.map(([, , variable]) => variable!),
    FILE_VARIABLE,
    // A plugin's, and Kubernetes' own.
    'WEBSOCKSY_BACKEND_OPTION_API_KEY',
    'WEBSOCKSY_PORT',
  ];
  const named = [...page.matchAll(/WEBSOCKSY_[A-Z_]+/g)].map(([name]) => name);
  expect(named.filter((name) => !known.includes(name))).toEqual([]);
});

test.runIf(process.platform === 'linux')('it tells how long the path of a socket may be', () => {
  // A slash, and the name that it is bound under first.
  expect(page).toContain(`at most ${MAX_SOCKET_PATH} bytes`);
  expect(page).toContain(`its folder ${MAX_SOCKET_PATH - 16} `);
});

describe('what it quotes', () => {
  const blocks = (language: string) =>
    [...page.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, text]) => text!);

  test.each(blocks('console'))('is what the command says: %s', async (block) => {
    const [, settings, line] = /^\$ ((?:[A-Z_]+=\S+ )*)websocksy (.*)\n/.exec(block)!;
    const env = Object.fromEntries(
      settings!
        .split(' ')
        .filter(Boolean)
        .map((each) => each.split('=')),
    );
    const { stdout, stderr } = await runCommand(line!.split(' '), { PATH: process.env['PATH'], ...env });
    expect(stdout + stderr).toBe(block.slice(block.indexOf('\n') + 1));
  });

  test('are files that can be read, and one of the examples', () => {
    const files = blocks('ini').filter((text) => !text.includes('[Unit]'));
    expect(files.length).toBeGreaterThan(1);
    for (const text of files) expect(parseFile(text, 'quoted.conf').length).toBeGreaterThan(1);
    const example = readFileSync(new URL('../../examples/unix-socket.conf', import.meta.url), 'utf8');
    expect(files).toContain(example);
  });

  test('by a link exists', () => {
    const links = [...page.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(([, target]) => target!);
    expect(links.length).toBeGreaterThan(0);
    for (const target of links) expect(existsSync(new URL(target, PAGE)), target).toBe(true);
  });
});
