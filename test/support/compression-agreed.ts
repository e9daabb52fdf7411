/**
 * Runs a test file once more with permessage-deflate agreed on, though nothing is compressed: what RFC 6455 says of
 * frames has to hold all the same. Daemons are then started with compression and a threshold out of reach, and raw
 * clients offer it in their opening handshake.
 */
let agreed = false;

export function agreeOnCompression(): void {
  agreed = true;
}

export function compressionAgreed(): boolean {
  return agreed;
}

/** For the daemon's command line. */
export function compressionArguments(): string[] {
  return agreed ? ['--compression', 'on', '--compression-threshold', '999999999'] : [];
}

/** For `request`. */
export function compressionOffer(): string[] {
  return agreed ? ['Sec-WebSocket-Extensions: permessage-deflate'] : [];
}
