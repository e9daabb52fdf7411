/** The configuration as it counts, with where each value comes from: what `--check` prints, itself a configuration file. */

import type { BackendPlugin } from '../plugins/api.ts';
import { isPath, toFile } from '../plugins/modules.ts';
import { escapeControls } from '../printable.ts';
import { formatSetting } from './file.ts';
import type { Setting } from './settings.ts';
import { DAEMON_OPTIONS, OPTION_NAMES, type OptionName } from './tables.ts';

export interface Effective {
  readonly section: Setting['section'];
  readonly name: string;
  readonly value: string;
  /** `websocksy.conf:3`, `-p`, `WEBSOCKSY_LISTEN`; undefined: the default. */
  readonly origin: string | undefined;
}

/** Which settings each option of the daemon's has its value from; the last counts, or each of a repeatable one. */
export type Sources = Readonly<Record<OptionName, Setting[]>>;

/**
 * Every option that has a value, in the order in which a file would have them. Paths of plugins are absolute: they mean
 * the same from wherever they are read again.
 *
 * @param files the files of plugins that options of the backend's name
 */
export function effectiveSettings(
  sources: Sources,
  plugin: BackendPlugin,
  settings: readonly Setting[],
  files: ReadonlyMap<string, string>,
): Effective[] {
  const effective: Effective[] = [];
  const take = (
    section: Setting['section'],
    name: string,
    given: readonly Setting[],
    option: { readonly repeatable?: boolean | undefined },
    standard: string | undefined,
  ) => {
    for (const setting of option.repeatable ? given : given.slice(-1)) {
      const value = section === 'backend' ? (files.get(name) ?? setting.value) : pathOf(setting);
      effective.push({ section, name, value, origin: placeOf(setting) });
    }
    if (given.length === 0 && standard !== undefined && standard !== '')
      effective.push({ section, name, value: standard, origin: undefined });
  };
  for (const name of OPTION_NAMES) {
    const spec = DAEMON_OPTIONS[name];
    take(spec.section, name, sources[name], spec, spec.defaultText ?? String(spec.default));
  }
  for (const [name, option] of Object.entries(plugin.options))
    take(
      'backend',
      name,
      settings.filter((setting) => setting.name === name),
      option,
      option.default,
    );
  return effective;
}

/** As a configuration file that means the same, with a comment above each line. */
export function formatEffective(effective: readonly Effective[]): string {
  let text = '';
  let section: Setting['section'] | undefined;
  for (const { section: next, name, value, origin } of effective) {
    if (next !== section) text += `${section === undefined ? '' : '\n'}[${next}]\n`;
    section = next;
    const line = formatSetting(name, value) ?? unwritable(name, value);
    // A default stays a comment: to name one may not be the same, as with the port beside a host that has its own.
    text += origin === undefined ? `# default\n#${line}\n` : `# from ${escapeControls(origin)}\n${line}\n`;
  }
  return text;
}

/** A file's values have no blanks at their ends, and whoever reads this has a terminal that controls are not for. */
function unwritable(name: string, value: string): string {
  return escapeControls(`# no line of a file can say: ${JSON.stringify(name)} = ${JSON.stringify(value)}`);
}

function pathOf({ name, value, base }: Setting): string {
  return (name === 'backend' || name === 'plugin') && isPath(value) ? toFile(value, base) : value;
}

/** In a file's messages the option follows the line; here it stands below anyway. */
function placeOf({ origin, name }: Setting): string {
  return origin.endsWith(`: ${name}`) ? origin.slice(0, -name.length - 2) : origin;
}
