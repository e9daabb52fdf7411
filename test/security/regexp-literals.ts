/**
 * The regular expressions that stand in a source text. It knows as much of the language as it takes to tell one from a
 * division, a comment, and the inside of a string; what a template has between `${` and `}` is code.
 */

/** Words after which a slash begins an expression. */
const BEFORE_EXPRESSION = new Set([
  'return',
  'typeof',
  'case',
  'in',
  'of',
  'yield',
  'await',
  'throw',
  'else',
]);

export function regexpLiterals(source: string): string[] {
  const found: string[] = [];
  /** What the braces are that are open: of a template, or of code. */
  const open: ('template' | 'code')[] = [];
  /** Whether a slash here would divide. */
  let afterValue = false;
  let at = 0;
  while (at < source.length) {
    const char = source[at]!;
    if (source.startsWith('#!', at) && at === 0) at = endOfLine(source, at);
    else if (source.startsWith('//', at)) at = endOfLine(source, at);
    else if (source.startsWith('/*', at)) at = source.indexOf('*/', at) + 2;
    else if (char === "'" || char === '"') {
      at = endOfString(source, at);
      afterValue = true;
    } else if (char === '`' || (char === '}' && open.at(-1) === 'template')) {
      if (char === '}') open.pop();
      at = endOfTemplatePart(source, at);
      afterValue = source[at - 1] === '`';
      if (!afterValue) open.push('template');
    } else if (char === '/' && !afterValue) {
      const end = endOfRegexp(source, at);
      found.push(source.slice(at, end));
      at = end;
      afterValue = true;
    } else if (/[\w$]/.test(char)) {
      const [word] = /^[\w$]+/.exec(source.slice(at, at + 200))!;
      afterValue = !BEFORE_EXPRESSION.has(word);
      at += word.length;
    } else {
      if (char === '{') open.push('code');
      if (char === '}') open.pop();
      if (!/\s/.test(char)) afterValue = char === ')' || char === ']';
      at += 1;
    }
  }
  return found;
}

function endOfLine(source: string, at: number): number {
  const end = source.indexOf('\n', at);
  return end < 0 ? source.length : end;
}

function endOfString(source: string, start: number): number {
  let at = start + 1;
  while (source[at] !== source[start]) at += source[at] === '\\' ? 2 : 1;
  return at + 1;
}

/** Behind the backquote, or behind the `${`. */
function endOfTemplatePart(source: string, start: number): number {
  for (let at = start + 1; ; at += 1) {
    if (source[at] === '\\') at += 1;
    else if (source[at] === '`') return at + 1;
    else if (source.startsWith('${', at)) return at + 2;
  }
}

function endOfRegexp(source: string, start: number): number {
  let inClass = false;
  let at = start + 1;
  for (; inClass || source[at] !== '/'; at += 1) {
    if (source[at] === '\\') at += 1;
    else if (source[at] === '[') inClass = true;
    else if (source[at] === ']') inClass = false;
  }
  at += 1;
  while (/[a-z]/.test(source[at] ?? '')) at += 1;
  return at;
}
