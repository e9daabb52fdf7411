/**
 * The environment, for containers: `WEBSOCKSY_LISTEN=…` for an option of the daemon's, `WEBSOCKSY_BACKEND_OPTION_HOST=…`
 * for one of the backend's, `WEBSOCKSY_CONFIG=…` for the file.
 *
 * What it does not know is never an error: Kubernetes gives each container variables for all services there are, and a
 * service may well be called `websocksy`. That is why the port is `WEBSOCKSY_LISTEN_PORT`: such a service's own variable
 * would be `WEBSOCKSY_PORT`. An empty value counts as none, since `VAR=${OTHER:-}` is how one leaves something out.
 */
import { CORE_OPTIONS, type CoreOptions } from './options.ts';
import type { Setting } from './settings.ts';

const PREFIX = 'WEBSOCKSY_';
const BACKEND_OPTION = `${PREFIX}BACKEND_OPTION_`;

export interface Environment {
  /** The configuration file, if none is named on the command line. */
  readonly file: string | undefined;
  readonly settings: readonly Setting[];
}

/** The variable of an option of the daemon's. */
export function variableOf(name: keyof CoreOptions): string {
  return name === 'port' ? `${PREFIX}LISTEN_PORT` : PREFIX + toVariable(name);
}

/** Whether the rest of a variable's name, behind `WEBSOCKSY_BACKEND_OPTION_`, means this option. */
export function isVariableOf(rest: string, option: string): boolean {
  return rest === toVariable(option);
}

/**
 * Reads the environment.
 *
 * @param base the folder from which relative paths in it count
 */
export function parseEnvironment(env: NodeJS.ProcessEnv, base: string): Environment {
  const settings: Setting[] = [];
  const add = (section: Setting['section'], name: string, variable: string) => {
    const value = env[variable] ?? '';
    if (value !== '') settings.push({ section, name, value, layer: 'environment', origin: variable, base });
  };
  for (const name of Object.keys(CORE_OPTIONS)) add('core', name, variableOf(name as keyof CoreOptions));
  for (const variable of Object.keys(env).sort()) {
    if (variable.startsWith(BACKEND_OPTION)) add('backend', variable.slice(BACKEND_OPTION.length), variable);
  }
  return { file: env[`${PREFIX}CONFIG`] || undefined, settings };
}

function toVariable(option: string): string {
  return option.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_');
}
