/**
 * A handler that writes down, in order, everything that a Connection tells it, in lines that a test can state literally:
 *
 *     write 8a00                 frames for the client, one line for each write, in hex
 *     write 827f… + 131072       with a second buffer of so many bytes
 *     http HTTP/1.1 404 …        an HTTP response as text, the value of Date replaced by *
 *     request /chat
 *     text 48656c6c6f            payload for the peer (or binary)
 *     receivable                 bytes are taken again; sendable: messages; yield: enough for a turn
 *     closed client 1000 bye     how it ended
 */
import type { ConnectionHandler, Ending } from '../../src/rfc6455/connection-handler.ts';
import type { OpeningRequest } from '../../src/rfc6455/handshake.ts';
import { hexOf } from './bytes.ts';
import { fast } from './through-slabs.ts';

export class RecordingHandler implements ConnectionHandler {
  readonly seen: string[] = [];
  readonly requests: OpeningRequest[] = [];
  readonly endings: Ending[] = [];
  /** What was handed over, itself and not copied, but for what lies in slabs: those are lent to others behind the call. */
  readonly written: { readonly bytes: Uint8Array; readonly more: Uint8Array | undefined }[] = [];
  readonly payloads: Uint8Array[] = [];
  /** What `write` answers. */
  writable = true;
  /** What `onPayload` answers. */
  taking = true;
  /** What the handler does within a callback, behind writing it down. */
  meanwhile: { onRequest?: () => void; onPayload?: () => void; onClosed?: () => void } = {};

  write(bytes: Uint8Array, more?: Uint8Array): boolean {
    this.written.push({ bytes: kept(bytes), more: more && kept(more) });
    const text = Buffer.from(bytes).toString('latin1');
    if (text.startsWith('HTTP/')) this.seen.push(`http ${text.replace(/\r\nDate: [^\r]*/, '\r\nDate: *')}`);
    else this.seen.push(`write ${hexOf(bytes)}${more === undefined ? '' : ` + ${more.length}`}`);
    return this.writable;
  }

  onRequest(request: OpeningRequest): void {
    this.requests.push(request);
    this.seen.push(`request ${request.target}`);
    this.meanwhile.onRequest?.();
  }

  onPayload(payload: Uint8Array, opcode: number): boolean {
    this.payloads.push(kept(payload));
    this.seen.push(
      `${opcode === 1 ? 'text' : opcode === 2 ? 'binary' : `opcode ${opcode}`} ${hexOf(payload)}`,
    );
    this.meanwhile.onPayload?.();
    return this.taking;
  }

  onYield(): void {
    this.seen.push('yield');
  }

  onReceivable(): void {
    this.seen.push('receivable');
  }

  onSendable(): void {
    this.seen.push('sendable');
  }

  onClosed(ending: Ending): void {
    this.endings.push(ending);
    this.seen.push(`closed ${describeEnding(ending)}`.trimEnd());
    this.meanwhile.onClosed?.();
  }

  /** What was seen since the last call. */
  take(): string[] {
    return this.seen.splice(0);
  }
}

function kept(bytes: Uint8Array): Uint8Array {
  return fast?.slabs.own(bytes) ?? bytes;
}

function describeEnding(ending: Ending): string {
  if (ending.by === 'fault') return `fault ${ending.fault.code}`;
  if (ending.by === 'client' || ending.by === 'server')
    return `${ending.by} ${ending.status.code} ${ending.status.reason}`;
  return ending.by;
}
