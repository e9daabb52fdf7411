/** What the framings share that leave the cuts to the network: everything that is there is the message. */

export function takeAll(_buffer: Uint8Array, start: number, end: number): number {
  return end - start;
}

export function refuseConfig(config: string | undefined): void {
  if (config !== undefined && config !== '') throw new Error('this framing takes no configuration');
}
