/**
 * How many connections the limit of open files allows.
 *
 * That limit must never be reached: Node cannot tell of a connection that it could not accept for it, and gives no way to
 * leave one waiting. So fewer connections are taken than there could be, and what is left over answers the others.
 */
import { readFileSync } from 'node:fs';

/** What `unlimited` counts as: more connections than a process can serve. */
const UNLIMITED = 1 << 20;

/** A client and its peer: what a connection takes until it is known that its peer lies within the daemon. */
export const PER_CONNECTION = 2;

/** Files and sockets that there are without any connection: some 22 are Node's and the listener's; look-ups, the log, plugins. */
const OWN = 32;

/** Those who are refused, and further dials: three quarters of it at most. */
const LEAST_RESERVE = 48;
const MOST_RESERVE = 1024;

/** The number of descriptors that this process may have open. Node has raised it as far as it may. */
export function openFiles(): number {
  try {
    // Linux; `Max open files  1024  524288  files`.
    const found = /^Max open files +(\S+)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
    if (found !== null) return toLimit(found[1]);
  } catch {
    // Another system.
  }
  const report = process.report as { excludeNetwork?: boolean } & NodeJS.ProcessReport;
  // It would look up the names of all addresses.
  report.excludeNetwork = true;
  const { userLimits } = report.getReport() as { userLimits?: { open_files?: { soft?: unknown } } };
  return toLimit(userLimits?.open_files?.soft);
}

function toLimit(value: unknown): number {
  const number = Number(value);
  return Number.isInteger(number) && number > 0 ? Math.min(number, UNLIMITED) : UNLIMITED;
}

/** Descriptors that are kept for answers and further dials: an eighth, but enough for a few and no more than are of use. */
export function reserveOf(files: number): number {
  return Math.min(MOST_RESERVE, Math.max(LEAST_RESERVE, files >> 3));
}

/** Descriptors that connections may have, of so many. At least those of one. */
export function shareOf(files: number): number {
  return Math.max(PER_CONNECTION, files - OWN - reserveOf(files));
}

/** How many open files so many connections need. */
export function filesFor(connections: number): number {
  const files = OWN + connections * PER_CONNECTION;
  // Of the limit an eighth is kept back, which is a seventh of the rest.
  return files + Math.min(MOST_RESERVE, Math.max(LEAST_RESERVE, Math.ceil(files / 7)));
}
