/**
 * What tests of the bridge send in bulk and how they read it back: a pattern that shows where each byte belongs, the
 * frames that carry it, and everything that a server said until it ended.
 *
 * It builds on RawClient, which holds each frame to RFC 6455.
 */
import { expect } from 'vitest';
import { BINARY, CLOSE, clientFrame, PING, PONG, type RawClient, TEXT } from './raw-client.ts';

export const MIB = 1_048_576;

/** 16 MiB: more than the kernel takes for two loopback connections whose reader sleeps. */
export const FLOOD_BYTES = 16 * MIB;

/** Bytes that tell their position: no period near a power of two, and not UTF-8. */
export function pattern(length: number): Buffer {
  return Buffer.alloc(length, Buffer.from(Array.from({ length: 251 }, (_, i) => i)));
}

/** One shared copy, since nobody changes it. */
export const FLOOD = pattern(FLOOD_BYTES);

/** `bytes` as binary messages of at most `size` bytes, each with a mask of its own. */
export function frames(bytes: Buffer, size = 60_000): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    const mask = Buffer.from([at & 0xff, (at >> 8) & 0xff, (at >> 16) & 0xff, 0xa5]);
    parts.push(clientFrame(BINARY, bytes.subarray(at, at + size), { mask }));
  }
  return Buffer.concat(parts);
}

let floodFrames: Buffer | undefined;

/** `FLOOD` as a client sends it. */
export function framedFlood(): Buffer {
  floodFrames ??= frames(FLOOD);
  return floodFrames;
}

/** That `bytes` are the beginning of the pattern; in a form that does not print megabytes when it fails. */
export function expectPattern(bytes: Buffer, length = bytes.length): void {
  expect(bytes.length).toBe(length);
  const wrong = bytes.equals(FLOOD.subarray(0, length))
    ? -1
    : bytes.findIndex((byte, i) => byte !== FLOOD[i]);
  expect(wrong, 'position of the first wrong byte').toBe(-1);
}

export interface Heard {
  /** Payloads of all data frames, side by side. */
  readonly bytes: Buffer;
  /** How many messages they came in. */
  readonly messages: number;
  readonly pongs: Buffer[];
  readonly pings: number;
  readonly close: { readonly code: number | undefined; readonly reason: string };
}

/** Reads all frames through the server's Close. */
export async function readUntilClose(client: RawClient): Promise<Heard> {
  const parts: Buffer[] = [];
  const pongs: Buffer[] = [];
  let pings = 0;
  for (;;) {
    const { opcode, payload } = await client.readFrame();
    if (opcode === TEXT || opcode === BINARY) parts.push(payload);
    if (opcode === PONG) pongs.push(payload);
    if (opcode === PING) pings += 1;
    if (opcode !== CLOSE) continue;
    const close =
      payload.length === 0
        ? { code: undefined, reason: '' }
        : { code: payload.readUInt16BE(), reason: payload.toString('utf8', 2) };
    return { bytes: Buffer.concat(parts), messages: parts.length, pongs, pings, close };
  }
}

/** Reads data frames until there are so many bytes; returns how many control frames came between them. */
export async function readBytes(
  client: RawClient,
  length: number,
): Promise<{ bytes: Buffer; pings: number }> {
  const parts: Buffer[] = [];
  let total = 0;
  let pings = 0;
  while (total < length) {
    const { opcode, payload } = await client.readFrame();
    if (opcode === PING) pings += 1;
    else {
      expect([TEXT, BINARY]).toContain(opcode);
      parts.push(payload);
      total += payload.length;
    }
  }
  return { bytes: Buffer.concat(parts), pings };
}

/** The payloads of the whole data frames in what a server sent before it ended without a Close. */
export function dataOf(wire: Buffer): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  while (at + 2 <= wire.length) {
    let length = wire[at + 1]! & 0x7f;
    let head = 2;
    if (length === 126) {
      length = wire.readUInt16BE(at + 2);
      head = 4;
    } else if (length === 127) {
      length = Number(wire.readBigUInt64BE(at + 2));
      head = 10;
    }
    if (at + head + length > wire.length) break;
    if ((wire[at]! & 0x08) === 0) parts.push(wire.subarray(at + head, at + head + length));
    at += head + length;
  }
  expect(at, 'the last frame is whole').toBe(wire.length);
  return Buffer.concat(parts);
}
