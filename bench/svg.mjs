// The few words of SVG that the charts are made of.

export const escaped = (text) => String(text).replace(/[&<>"]/g, (one) => `&#${one.charCodeAt(0)};`);

export const text = (x, y, words, more = '') =>
  `<text x="${x}" y="${y}"${more && ` ${more}`}>${escaped(words)}</text>`;

/** A picture on white, with a title for those who cannot see it. */
export const picture = (width, height, title, body, size = 12) =>
  [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="${size}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...body,
    '</svg>',
    '',
  ].join('\n');

/** Told apart by people who see colours differently, too. */
export const COLOURS = [
  '#0072b2',
  '#999999',
  '#000000',
  '#56b4e9',
  '#009e73',
  '#e69f00',
  '#d55e00',
  '#cc79a7',
  '#6a3d9a',
  '#b8860b',
];
