/** All options of the daemon's own in one table: `[core]` and `[limits]`. */
import { LIMIT_OPTIONS, type LimitName } from './limit-options.ts';
import { CORE_OPTIONS, type CoreOptions, type OptionSpec } from './options.ts';

export type OptionName = keyof CoreOptions | LimitName;

/** The values, as they are used. */
export type OptionValues = CoreOptions & Record<LimitName, number>;

export interface DaemonOption extends OptionSpec<unknown> {
  readonly section: 'core' | 'limits';
}

/** In the order in which a file would have them. */
export const DAEMON_OPTIONS = Object.fromEntries([
  ...Object.entries(CORE_OPTIONS).map(([name, spec]) => [name, { ...spec, section: 'core' }]),
  ...Object.entries(LIMIT_OPTIONS).map(([name, spec]) => [
    name,
    { ...spec, section: 'limits', flags: [`--${name}`] },
  ]),
]) as Readonly<Record<OptionName, DaemonOption>>;

export const OPTION_NAMES = Object.keys(DAEMON_OPTIONS) as readonly OptionName[];

export function isOptionName(name: string): name is OptionName {
  return Object.hasOwn(DAEMON_OPTIONS, name);
}
