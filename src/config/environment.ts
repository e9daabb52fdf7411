/**
 * The environment, for containers: `WEBSOCKSY_LISTEN=…` for an option of the daemon's, `WEBSOCKSY_BACKEND_OPTION_HOST=…`
 * for one of the backend's, `WEBSOCKSY_CONFIG=…` for the file.
 *
 * What it does not know is never an error: Kubernetes gives each container variables for all services there are, and a
 * service may well be called `websocksy`. That is why the port is `WEBSOCKSY_LISTEN_PORT`: such a service's own variable
 * would be `WEBSOCKSY_PORT`. An empty value counts as none, since `VAR=${OTHER:-}` is how one leaves something out. As
 * in a file, blanks at both ends do not count: a value that comes out of a mounted file ends with a line feed.
 */
import type { Setting } from './settings.ts';
import { DAEMON_OPTIONS, OPTION_NAMES, type OptionName } from './tables.ts';

const PREFIX = 'WEBSOCKSY_';
const BACKEND_OPTION = `${PREFIX}BACKEND_OPTION_`;
/** Names the configuration file, if the command line names none. */
export const FILE_VARIABLE = `${PREFIX}CONFIG`;

export interface Environment {
  /** The configuration file, if none is named on the command line. */
  readonly file: string | undefined;
  readonly settings: readonly Setting[];
}

/** The variable of an option of the daemon's. */
export function variableOf(name: OptionName): string {
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
  const add = (section: Setting['section'], name: string, variable: string, repeatable = false) => {
    const text = isOfService(variable, env) ? '' : (env[variable] ?? '').trim();
    for (const value of repeatable ? linesOf(text) : [text])
      if (value !== '') settings.push({ section, name, value, layer: 'environment', origin: variable, base });
  };
  for (const name of OPTION_NAMES) {
    const { section, repeatable } = DAEMON_OPTIONS[name];
    add(section, name, variableOf(name), repeatable);
  }
  for (const variable of Object.keys(env).sort()) {
    if (variable.startsWith(BACKEND_OPTION)) add('backend', variable.slice(BACKEND_OPTION.length), variable);
  }
  return { file: env[FILE_VARIABLE]?.trim() || undefined, settings };
}

/** A variable holds one text: the values of an option that may be repeated stand in lines of their own. */
export function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

/**
 * Whether a variable was set by Kubernetes, for a service called `websocksy-listen` or `websocksy-backend-option`: then
 * `WEBSOCKSY_LISTEN_PORT` holds `tcp://10.0.0.1:80`, and `WEBSOCKSY_LISTEN_SERVICE_HOST` stands beside it.
 */
function isOfService(variable: string, env: NodeJS.ProcessEnv): boolean {
  if (!variable.endsWith('_PORT') || !/^(tcp|udp|sctp):\/\//.test(env[variable] ?? '')) return false;
  return env[`${variable.slice(0, -'PORT'.length)}SERVICE_HOST`] !== undefined;
}

function toVariable(option: string): string {
  return option.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_');
}
