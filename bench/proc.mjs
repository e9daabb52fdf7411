// What Linux says of processes and of the machine: CPU time, memory, who listens. Sums are over a process and all that
// come from it, since some bridges start a process per connection.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ is 100 on every Linux that Node runs on: a tick in seconds. */
const TICK = 0.01;

/** Everything that runs: pid → parent and seconds of CPU, those of its children that have ended included. */
function processes() {
  const all = new Map();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = readOrNothing(`/proc/${name}/stat`);
    if (stat === '') continue;
    // The name, in brackets, may hold anything; proc(5) numbers the fields from it on.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0);
    all.set(Number(name), { parent: Number(fields[1]), cpu: ticks * TICK });
  }
  return all;
}

/** A file's text; nothing, if its process has ended meanwhile. */
function readOrNothing(path) {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

/** A process and all that come from it, as far as they run. */
export function tree(pid, all = processes()) {
  const found = all.has(pid) ? [pid] : [];
  for (const parent of found) for (const [child, one] of all) if (one.parent === parent) found.push(child);
  return found;
}

/** Seconds of CPU that a process tree has used. */
export function cpuSeconds(pid) {
  const all = processes();
  return tree(pid, all).reduce((sum, one) => sum + all.get(one).cpu, 0);
}

/** Seconds of CPU of a process's first thread alone, to the nanosecond where the kernel counts so. */
export function mainThreadSeconds(pid) {
  const [ran] = readOrNothing(`/proc/${pid}/schedstat`).split(' ');
  if (ran !== '') return Number(ran) / 1e9;
  const stat = readOrNothing(`/proc/${pid}/task/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK;
}

/**
 * Bytes of memory of a process tree: `rss`, what is resident; `pss`, the same with what its processes share counted once;
 * `own`, without the pages of files, such as the program's code, that the kernel takes and gives as it likes.
 */
export function memory(pid) {
  const sums = { rss: 0, pss: 0, own: 0 };
  for (const one of tree(pid)) {
    const rollup = readOrNothing(`/proc/${one}/smaps_rollup`);
    const bytes = (field) => 1024 * Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(rollup)?.[1] ?? 0);
    sums.rss += bytes('Rss');
    sums.pss += bytes('Pss');
    sums.own += bytes('Pss_Anon') + bytes('SwapPss');
  }
  return sums;
}

/** As many files as a process that we start may have open. */
export function mostFiles() {
  const said = execFileSync('/bin/sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).trim();
  return said === 'unlimited' ? Number.POSITIVE_INFINITY : Number(said);
}

/** Seconds of CPU that the whole machine has used, with what its host has taken from it; and its processors. */
export function machineSeconds() {
  const lines = readFileSync('/proc/stat', 'latin1').split('\n');
  const [user, nice, system, , , interrupts, softInterrupts, stolen] = lines[0]
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return {
    used: (user + nice + system + interrupts + softInterrupts + stolen) * TICK,
    processors: lines.filter((line) => /^cpu\d/.test(line)).length,
  };
}

/** Whether somebody listens on a port of this machine's; asking by a connection would reach the peer. */
export function isListening(port) {
  const ending = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return ['/proc/net/tcp', '/proc/net/tcp6'].some((file) =>
    readOrNothing(file)
      .split('\n')
      .some((line) => {
        const [, local, , state] = line.trim().split(/\s+/);
        return state === '0A' && local.endsWith(ending);
      }),
  );
}
