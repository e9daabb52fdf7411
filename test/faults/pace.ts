/** How a side writes and reads: in pieces, with pauses, byte by byte, or not for a while. */
import type { Socket } from 'node:net';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { type Random, randomCuts } from '../support/randomness.ts';
import type { Manner } from './plan.ts';

/** More than that is not written byte by byte, only its first bytes are. */
const DRIBBLED = 100;

/**
 * Writes all of it, waiting whenever the socket has enough.
 *
 * @param over asked before each piece: whether the rest has become pointless
 */
export async function writeAll(
  socket: Socket,
  bytes: Buffer,
  manner: Manner,
  random: Random,
  over: () => boolean,
): Promise<void> {
  const dribbled = manner.dribbles ? bytes.subarray(0, DRIBBLED) : bytes.subarray(0, 0);
  const pieces = [...dribbled].map((_, at) => dribbled.subarray(at, at + 1));
  const rest = bytes.subarray(dribbled.length);
  if (rest.length > 0) pieces.push(...randomCuts(rest, manner.pieces, random));
  for (const [i, piece] of pieces.entries()) {
    if (over() || !socket.writable) return;
    if (!socket.write(piece)) await drained(socket);
    if (i < dribbled.length) await turn();
    else if (manner.pause > 0) await sleep(random.int(0, manner.pause));
  }
}

/** Stops reading once, when so much has come, and goes on after a while. */
export class Stall {
  readonly #socket: Socket;
  readonly #manner: Manner;
  readonly #after: number;
  #done = false;
  #timer: NodeJS.Timeout | undefined;

  /** @param total bytes that may come */
  constructor(socket: Socket, manner: Manner, total: number) {
    this.#socket = socket;
    this.#manner = manner;
    this.#after = Math.floor((manner.stall?.after ?? 0) * total);
  }

  /** To be asked at the beginning and behind each read. */
  seen(bytes: number): void {
    const { stall } = this.#manner;
    if (stall === undefined || this.#done || bytes < this.#after) return;
    this.#done = true;
    this.#socket.pause();
    this.#timer = setTimeout(() => this.#socket.resume(), stall.ms);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

/** The socket takes more, or has closed. */
export function drained(socket: Socket): Promise<void> {
  if (socket.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.on('drain', done).on('close', done);
  });
}
