/**
 * The text of a target file: which of its lines a client gets.
 *
 *     # peer                subprotocol  framing    framing-config
 *     tcp://127.0.0.1:5900  binary       binary
 *     tcp://127.0.0.1:6667  *            separator  \r\n
 *
 * It reads fields and compares subprotocols. Whether a peer or a framing is any good shows when the line is used.
 */

/** The line that a client gets. */
export interface Target {
  /** Counts from 1. */
  readonly line: number;
  readonly peer: string;
  /** The client's offer; undefined if it made none. */
  readonly subprotocol: string | undefined;
  readonly framing: string | undefined;
  readonly framingConfig: string | undefined;
}

export interface Choice {
  /** The first line that fits; undefined: none does. */
  readonly target: Target | undefined;
  /** Lines that are neither comments nor have a peer and a subprotocol: the first of them. */
  readonly malformed: readonly number[];
  /** How many there are in all. */
  readonly malformedCount: number;
}

/** Enough to find the mistake; a file of another kind has thousands. */
const MALFORMED_SHOWN = 5;

/** Peer, subprotocol, framing, and the rest of the line, of a trimmed line. */
const FIELDS = /^([^ \t]+)[ \t]+([^ \t]+)(?:[ \t]+([^ \t]+)(?:[ \t]+(.+))?)?$/s;

/** @param offers the client's subprotocols, in its order */
export function chooseTarget(text: string, offers: readonly string[]): Choice {
  let target: Target | undefined;
  const malformed: number[] = [];
  let malformedCount = 0;
  let number = 0;
  for (const raw of lines(text)) {
    number += 1;
    const line = trim(raw);
    if (line.startsWith('#') || line.startsWith(';')) continue;
    const fields = FIELDS.exec(line);
    if (fields === null) {
      malformedCount += 1;
      if (malformedCount <= MALFORMED_SHOWN) malformed.push(number);
      continue;
    }
    // The rest is read on for its mistakes: whoever edits the file should hear of all of them.
    if (target !== undefined) continue;
    const [, peer, wanted, framing, framingConfig] = fields;
    const subprotocol = wanted === '*' ? offers[0] : offers.find((offer) => offer === wanted);
    if (subprotocol === undefined && offers.length > 0) continue;
    target = { line: number, peer: peer!, subprotocol, framing, framingConfig };
  }
  return { target, malformed, malformedCount };
}

/** One by one, so that a long file is not twice in memory. What follows the last line feed is a line if it is any. */
function* lines(text: string): Generator<string> {
  let start = text.startsWith('\ufeff') ? 1 : 0;
  while (start < text.length) {
    const feed = text.indexOf('\n', start);
    const end = feed < 0 ? text.length : feed;
    yield text.slice(start, end);
    start = end + 1;
  }
}

/** Without the CR of a CRLF, and without spaces and tabs at both ends. */
function trim(line: string): string {
  let end = line.endsWith('\r') ? line.length - 1 : line.length;
  let start = 0;
  while (start < end && isBlank(line.charCodeAt(start))) start += 1;
  while (end > start && isBlank(line.charCodeAt(end - 1))) end -= 1;
  return line.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
