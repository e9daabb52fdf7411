import { describe, expect, test } from 'vitest';
import { EchoTransport } from '../../src/transports/echo.ts';
import type { Transport } from '../../src/transports/transport.ts';
import { RecordingHandler, until } from '../support/sockets.ts';

function echo() {
  const transport: Transport = new EchoTransport();
  const handler = new RecordingHandler();
  transport.start(handler);
  return { transport, handler };
}

describe('the echo transport', () => {
  test('sends each message back whole, as it came, before write returns', () => {
    const { transport, handler } = echo();
    expect(transport.kind).toBe('message');
    const [first, second] = [Buffer.from('text'), Buffer.from([1, 2, 3])];
    expect(transport.write(first, 1)).toBe(true);
    expect(transport.write(second, 2)).toBe(true);
    expect(transport.write(Buffer.alloc(0), 2)).toBe(true);
    expect(handler.messages).toEqual([
      { bytes: first, opcode: 1 },
      { bytes: second, opcode: 2 },
      { bytes: Buffer.alloc(0), opcode: 2 },
    ]);
    // The very memory: an echo that copies would cost a copy of every message.
    expect(handler.messages[0]!.bytes).toBe(first);
  });

  test('is full while it is paused, and drains with resume', () => {
    const { transport, handler } = echo();
    transport.pause();
    expect(transport.write(Buffer.from('x'), 1)).toBe(false);
    expect(transport.write(Buffer.from('y'), 1)).toBe(false);
    expect(handler.events).toEqual(['message', 'message']);
    transport.resume();
    expect(handler.events).toEqual(['message', 'message', 'drain']);
    expect(transport.write(Buffer.from('z'), 1)).toBe(true);
  });

  test('drains only if it was paused', () => {
    const { transport, handler } = echo();
    transport.resume();
    transport.pause();
    transport.resume();
    transport.resume();
    expect(handler.events).toEqual(['drain']);
  });

  test.each(['end', 'destroy'] as const)('closes once with %s, later and without an error', async (way) => {
    const { transport, handler } = echo();
    transport[way]();
    expect(handler.events).toEqual([]);
    transport.end();
    transport.destroy();
    await until('the close', () => handler.events.length > 0);
    await new Promise((resolve) => setImmediate(resolve));
    expect(handler.events).toEqual(['close']);
    expect(handler.closedWith).toBeUndefined();
  });

  test('echoes nothing any more after its end', () => {
    const { transport, handler } = echo();
    transport.end();
    expect(transport.write(Buffer.from('x'), 1)).toBe(true);
    expect(handler.messages).toEqual([]);
  });

  test('has no deadlines', async () => {
    const { transport, handler } = echo();
    transport.pause();
    transport.tick(0);
    transport.tick(1e12);
    await new Promise((resolve) => setImmediate(resolve));
    expect(handler.events).toEqual([]);
  });
});
