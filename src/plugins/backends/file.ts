/**
 * `file`: what a client sends leads to a file, and a line of that file is its peer.
 *
 * As in the C daemon, with what its page in docs/backends.md lists beyond it: nothing that a client sends leads out of
 * the folder, and a line that cannot be used neither ends the daemon nor passes unseen. Files are read anew for each
 * connection, so an edit counts for the next client.
 */
import { type BackendSettings, defineBackend, optionError } from '../api.ts';
import { type Expression, parseExpression } from './expression.ts';
import { type TargetFile, TargetFolder } from './target-folder.ts';
import { type Choice, chooseTarget } from './target-lines.ts';

/** Files whose malformed lines have been told of. More than these at once, and some are told of again. */
const WARNED_FILES = 1000;

export default defineBackend({
  apiVersion: 1,
  kind: 'backend',
  name: 'file',
  options: {
    path: { description: 'the folder of the target files; required' },
    expression: {
      description:
        'the name of a target file, with %endpoint%, %cookie:NAME% or %header:NAME%; several are tried in order',
      repeatable: true,
    },
  },
  async create(settings, context) {
    const folder = await openFolder(settings.get('path'));
    const expressions = readExpressions(settings);
    const warnOnce = onceForEachVersion((message) => context.warn(message));
    return {
      async query(request, signal) {
        for (const expression of expressions) {
          const name = expression(request);
          if (name === undefined) continue;
          const file = await folder.read(name, signal);
          if (file === undefined) continue;
          const choice = chooseTarget(file.text, request.subprotocols);
          if (choice.malformedCount > 0) warnOnce(file, () => describeMalformed(file.path, choice));
          if (choice.target === undefined) continue;
          const { line, ...route } = choice.target;
          return { ...route, origin: `${file.path}:${line}` };
        }
        return null;
      },
    };
  },
});

async function openFolder(path: string | undefined): Promise<TargetFolder> {
  if (path === undefined || path === '') {
    throw optionError('path', 'the folder of the target files must be named');
  }
  try {
    return await TargetFolder.open(path);
  } catch (error) {
    throw optionError('path', error instanceof Error ? error.message : String(error));
  }
}

function readExpressions(settings: BackendSettings): Expression[] {
  const texts = settings.all('expression');
  if (texts.length === 0) {
    throw optionError(
      'expression',
      'at least one must say how target files are named, for example %endpoint%',
    );
  }
  return texts.map(parseExpression);
}

function describeMalformed(path: string, { malformed, malformedCount }: Choice): string {
  const [first, ...others] = malformed;
  const more = malformedCount - malformed.length;
  const rest = [...others.map(String), ...(more > 0 ? [`${more} more`] : [])].join(', ');
  return `${path}:${first}: skipped, since a line is <peer> <subprotocol> [<framing>] [<framing-config>]${
    rest === '' ? '' : `; so are others: ${rest}`
  }`;
}

/** Passes a file's message on when it is the first one of this version of the file, so that no client floods the log. */
function onceForEachVersion(warn: (message: string) => void) {
  const versions = new Map<string, string>();
  return ({ path, version }: TargetFile, message: () => string): void => {
    if (versions.get(path) === version) return;
    // The oldest goes, which a Map has first.
    versions.delete(path);
    if (versions.size >= WARNED_FILES) versions.delete(versions.keys().next().value!);
    versions.set(path, version);
    warn(message());
  };
}
