/** The configuration as it counts, with where each value comes from: what `--check` prints, itself a configuration file. */

import type { BackendPlugin } from '../plugins/api.ts';
import { escapeControls } from '../printable.ts';
import { CORE_OPTIONS, type CoreOptions } from './options.ts';
import type { Setting } from './settings.ts';

export interface Effective {
  readonly section: Setting['section'];
  readonly name: string;
  readonly value: string;
  /** `websocksy.conf:3`, `-p`, `WEBSOCKSY_LISTEN`; undefined: the default. */
  readonly origin: string | undefined;
}

/** Which settings each option of the daemon's has its value from; the last counts, or each of a repeatable one. */
export type Sources = Readonly<Record<keyof CoreOptions, Setting[]>>;

/** Every option that has a value, in the order in which a file would have them. */
export function effectiveSettings(
  sources: Sources,
  plugin: BackendPlugin,
  settings: readonly Setting[],
): Effective[] {
  const effective: Effective[] = [];
  const take = (
    section: Setting['section'],
    name: string,
    given: readonly Setting[],
    option: { readonly repeatable?: boolean | undefined },
    standard: string | undefined,
  ) => {
    for (const setting of option.repeatable ? given : given.slice(-1))
      effective.push({ section, name, value: setting.value, origin: placeOf(setting) });
    if (given.length === 0 && standard !== undefined && standard !== '')
      effective.push({ section, name, value: standard, origin: undefined });
  };
  for (const [name, spec] of Object.entries(CORE_OPTIONS))
    take('core', name, sources[name as keyof CoreOptions], spec, spec.defaultText ?? String(spec.default));
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

/** As a configuration file, with a comment above each line. */
export function formatEffective(effective: readonly Effective[]): string {
  let text = '';
  let section: Setting['section'] | undefined;
  for (const { section: next, name, value, origin } of effective) {
    if (next !== section) text += `${section === undefined ? '' : '\n'}[${next}]\n`;
    section = next;
    text += `# ${origin === undefined ? 'default' : `from ${origin}`}\n`;
    text += `${escapeControls(`${name} = ${value}`)}\n`;
  }
  return text;
}

/** In a file's messages the option follows the line; here it stands below anyway. */
function placeOf({ origin, name }: Setting): string {
  return origin.endsWith(`: ${name}`) ? origin.slice(0, -name.length - 2) : origin;
}
