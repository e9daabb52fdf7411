/**
 * Standard error as something that can be written to without being waited for, whatever it is.
 *
 * Node writes to files and terminals in the event loop's own thread: a disk that hangs, or Ctrl-S, would stop every
 * connection. Such a descriptor is written to by the thread pool. A thread that is stuck there would keep the process from
 * ending, so that a terminal is opened once more, as one that says that it is full; a file on a disk that hangs holds its
 * process in any case. Pipes and sockets do not wait in Node.
 */
import { constants, fstatSync, openSync, write } from 'node:fs';
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import type { LogSink } from './log-output.ts';

const FD = 2;

export function standardError(): LogSink {
  if (process.stderr instanceof Socket && !process.stderr.isTTY) return streamSink(process.stderr);
  return descriptorSink(fstatSync(FD).isCharacterDevice() ? reopened() : FD);
}

/** Nothing tells how much of a piece a stream has written before it failed: all of it is taken. */
export function streamSink(stream: Writable): LogSink {
  return (bytes, done) => {
    stream.write(bytes, (error) => done(error, bytes.length));
  };
}

/** Goes on behind the bytes that are written, when they were not all. */
export function descriptorSink(fd: number): LogSink {
  return (bytes, done) => write(fd, bytes, (error, written) => done(error, error ? 0 : written));
}

/** A descriptor of its own, since whoever shares ours may not expect that it does not wait. */
function reopened(): number {
  try {
    return openSync(
      `/proc/self/fd/${FD}`,
      constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY | constants.O_APPEND,
    );
  } catch {
    // No /proc, or a terminal of somebody else's, as behind `su`.
    return FD;
  }
}
