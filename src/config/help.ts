/** The text of `--help`, made from the tables that the options themselves come from. */
import defaultBackend from '../plugins/backends/default.ts';
import { builtIn } from '../plugins/modules.ts';
import type { OptionSpec } from './options.ts';
import { DAEMON_OPTIONS, type DaemonOption } from './tables.ts';

export function helpText(): string {
  const rows = (section: DaemonOption['section']) =>
    Object.values(DAEMON_OPTIONS)
      .filter((option) => option.section === section)
      .map((option) => row(`${option.flags.join(', ')} ${option.placeholder}`, describe(option)));
  const backend = Object.entries(defaultBackend.options).map(([name, option]) =>
    row(
      `-c ${name}=…`,
      'default' in option ? `${option.description} (${option.default})` : option.description,
    ),
  );
  return `websocksy bridges WebSocket clients to ordinary sockets.

usage: websocksy [OPTION VALUE]…
       websocksy FILE

options (and their defaults):
${rows('core').join('\n')}
${row('-c, --backend-option KEY=VALUE', 'an option of the backend chosen so far; may be repeated')}
${row('--config FILE', 'a configuration file; what stands on the command line wins')}
${row('--check', 'judge the configuration, print it or what is wrong with it, and exit')}
${row('--demo', 'bridge to an echo inside the daemon unless told otherwise, and say how to try it')}
${row('-h, --help', 'this text')}
${row('-V, --version', 'the version')}

limits, of which docs/reliability.md says more:
${rows('limits').join('\n')}

options of the default backend:
${backend.join('\n')}

environment: WEBSOCKSY_LISTEN_PORT for --port, WEBSOCKSY_LISTEN, WEBSOCKSY_LOG_LEVEL and so on for the others,
WEBSOCKSY_CONFIG for the file, WEBSOCKSY_BACKEND_OPTION_HOST and so on for options of the backend.
The command line wins over the environment, that over the file.

backends: ${builtIn('backend').join(', ')}
framings: ${builtIn('framing').join(', ')}

exit status: 0 after a stop that was asked for, 1 if it could not start or failed, 2 for a wrong configuration
`;
}

function describe({ description, default: value, defaultText = String(value) }: OptionSpec<unknown>): string {
  return defaultText === '' ? description : `${description} (${defaultText})`;
}

function row(left: string, right: string): string {
  return `  ${left.padEnd(32)} ${right}`;
}
