/**
 * What the fuzzers have found, by target: in the code, in what they held against it, or in the code broken on purpose. Tried on
 * every `npm test`, and what each search begins with.
 *
 * `npm run fuzz -- --target NAME --input HEX` tries one by itself.
 */
export interface Vector {
  /** In hex. */
  readonly input: string;
  readonly shows: string;
}

export const VECTORS: Readonly<Record<string, readonly Vector[]>> = {
  'request-head': [
    {
      input:
        '4745542077733a2f2f6020485454502f312e310d0a486f73743a20610d0a557067726164653a20776562736f636b65740d0a436f6e6e656374696f6e3a20557067726164650d0a5365632d576562536f636b65742d4b65793a206447686c49484e68625842735a5342756232356a5a513d3d0d0a5365632d576562536f636b65742d56657273696f6e3a2031330d0a0d0a',
      shows: 'Node takes no such authority',
    },
    {
      input:
        '474554202f20485454502f312e310d0a486f73743a20610d0a557067726164653a20776562736f636b65740d0a436f6e6e656374696f6e3a20557067726164650d0a5365632d576562536f636b65742d4b65793a206447686c49484e68625842735a5342756232356a5a513d3d0d0a5365632d576562536f636b65742d56657273696f6e3a2031330d0a436f6e74656e742d4c656e6774683a2030090d0a0d0a',
      shows: 'Node does not take a tab behind a length',
    },
    {
      input:
        '474554202f20485454502f312e390d0a486f73743a20610d0a557067726164653a20776562736f636b65740d0a436f6e6e656374696f6e3a20557067726164650d0a5365632d576562536f636b65742d4b65793a206447686c49484e68625842735a5342756232356a5a513d3d0d0a5365632d576562536f636b65742d56657273696f6e3a2031330d0a0d0a',
      shows: 'Node knows no HTTP/1.9',
    },
    { input: '612061200d0a583a0d0a583a0d0a0d0a', shows: 'two empty values, joined' },
    { input: '612061200d0a613a0a0d0a0d0a', shows: 'a line feed as a value' },
  ],
  extensions: [
    { input: '613b613d220022', shows: 'a quoted value that is no token' },
    { input: '7065726d6573736167652d6465666c6174652c61', shows: 'an offer without a window for the client' },
    { input: '613b613d612c613b', shows: 'a list that ends early, of which each byte is looked at once' },
  ],
  frames: [
    { input: '01846161a40800066161', shows: 'a key that is turned by a cut' },
    {
      input: '8984616161616161616182fe00c861616161',
      shows: 'a header at the end, whose piece is empty or not there',
    },
  ],
  'frames-ws': [{ input: '8185d499616100f5', shows: 'ASCII behind an open character' }],
  utf8: [{ input: 'e282acf09d849ee2849ee2829ee282ace282acf09d849eeda0', shows: 'a surrogate that is cut' }],
  inflate: [
    { input: '616161621805a38c003014616161', shows: 'a message that ends within a block' },
    { input: '6161615a7d61d2c800', shows: 'a reference over a cut' },
  ],
  deflate: [{ input: 'fa616150b9b1', shows: 'a stream that is used again' }],
  connection: [
    { input: '0c0005610a620a0ae0620a', shows: 'a broken rule, and bytes from within the answer' },
    { input: '0c45e005', shows: 'a close from within a close' },
  ],
  framings: [
    { input: '0061610a6e756c6c', shows: 'a literal behind a line feed, cut anywhere' },
    { input: '0161610d0a61', shows: 'a CRLF that is cut' },
    { input: '000039383133652d32383061', shows: 'a number that breaks behind the bound' },
  ],
  'target-files': [
    { input: 'fe25656e64706f696e7425fe2f2f2f61', shows: 'slashes that a client sends' },
    { input: '61200d0a', shows: 'a CR that is no field' },
  ],
  address: [
    { input: '613a3635353336', shows: 'a port too large' },
    { input: '9b', shows: 'a control character' },
    { input: 'a0', shows: 'a blank that is not ASCII' },
  ],
  configuration: [
    { input: '61e280a80a', shows: 'a line end of Unicode in a file name' },
    { input: '612d2d706f72743d313131313131', shows: 'a port too large' },
  ],
};
