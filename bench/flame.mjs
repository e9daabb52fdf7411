// A CPU profile of V8's as a flame graph: an SVG that stands alone. A box is a function, as wide as its share of the CPU
// time, with what it called above it; what is below a half per cent is left out.
import { escaped, picture, text } from './svg.mjs';

const WIDTH = 1200;
const ROW = 18;
const TOP = 58;
const MARGIN = 10;
/** Of all time: what is less is too narrow to be seen. */
const LEAST = 0.005;
/** Bytes of a picture, to be embedded in a page: with more, less is drawn. */
const LARGEST = 60_000;
/** Width of a letter of the labels, in pixels, on the average. */
const LETTER = 6.5;

/** Whose code it is, and the colour of it. */
const KINDS = {
  own: ['websocksy', '#f4a582'],
  node: ["Node's JavaScript", '#92c5de'],
  native: ['native: V8, libuv, the kernel', '#b8e0b0'],
  collector: ['garbage collector', '#d9a6d9'],
};

function kindOf({ functionName, url }) {
  if (functionName === '(garbage collector)') return 'collector';
  if (url === '') return 'native';
  return url.startsWith('node:') ? 'node' : 'own';
}

/** `src/bridge.js:12`: where in `dist` or in Node; nothing for what is native. */
function placeOf({ url, lineNumber }) {
  if (url === '') return '';
  if (url.startsWith('wasm:')) return 'WebAssembly';
  const path = url.startsWith('file:')
    ? url.slice(url.lastIndexOf('/dist/') + 1).replace(/^dist\//, '')
    : url;
  return `${path}:${lineNumber + 1}`;
}

const box = (name, place, kind) => ({ name, place, kind, self: 0, total: 0, children: new Map() });

/** What V8 cannot see: libuv polls, and reads before it calls V8. It takes this for idleness. */
const UNSEEN = '(libuv polls and reads)';

/** Neither time that was not used, nor what the profiler itself has cost. */
const isLeftOut = ({ functionName, url }) =>
  functionName === '(idle)' || url.endsWith('/bench/profile-hook.mjs');

/**
 * The tree of calls, functions of the same name and place joined; times in microseconds. `busy`, the share of the time
 * in which the thread used a CPU, tells how much of what V8 calls idle was work of libuv and the kernel.
 */
export function fold({ nodes, samples, timeDeltas, startTime, endTime }, busy = 0) {
  const selfs = new Map();
  for (let i = 0; i < samples.length; i += 1)
    selfs.set(samples[i], (selfs.get(samples[i]) ?? 0) + Math.max(0, timeDeltas[i]));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const root = box('all', '', 'native');
  const add = (node, into) => {
    into.self += selfs.get(node.id) ?? 0;
    for (const id of node.children ?? []) {
      const child = byId.get(id);
      if (isLeftOut(child.callFrame)) continue;
      const { functionName } = child.callFrame;
      const name = functionName === '' ? '(anonymous)' : functionName;
      const place = placeOf(child.callFrame);
      const key = `${name} ${place}`;
      if (!into.children.has(key)) into.children.set(key, box(name, place, kindOf(child.callFrame)));
      add(child, into.children.get(key));
    }
  };
  add(nodes[0], root);
  const unseen = busy * (endTime - startTime) - sum(root);
  if (unseen > 0) root.children.set(UNSEEN, { ...box(UNSEEN, '', 'native'), self: unseen });
  sum(root);
  return root;
}

function sum(node) {
  node.total = node.self;
  for (const child of node.children.values()) node.total += sum(child);
  return node.total;
}

const percent = (share) => `${(share * 100).toFixed(1)} %`;

/** The picture of a folded profile. */
export function flameGraph(root, title) {
  for (let least = LEAST; ; least *= 1.5) {
    const svg = draw(root, title, least);
    if (svg.length <= LARGEST) return svg;
  }
}

function draw(root, title, least) {
  const rows = rowsOf(root, least);
  const height = TOP + rows.length * ROW + 30;
  const scale = (WIDTH - 2 * MARGIN) / root.total;
  const boxes = rows.flatMap((row, depth) =>
    row.map(({ node, from }) =>
      drawBox(node, MARGIN + from * scale, height - 30 - (depth + 1) * ROW, node.total * scale, root.total),
    ),
  );
  const colours = Object.entries(KINDS).map(([kind, [, colour]]) => `.${kind}{fill:${colour}}`);
  return picture(
    WIDTH,
    height,
    title,
    [
      `<style>${colours.join('')}rect[class]{stroke:#fff;stroke-width:.5}</style>`,
      text(MARGIN, 22, title, 'font-size="16" font-weight="bold"'),
      ...legend(root),
      ...boxes,
      text(MARGIN, height - 10, `Less than ${percent(least)} is not drawn. Point at a box for its name.`),
    ],
    11,
  );
}

/** The boxes to draw, row by row from the root, each with the time at which it begins. */
function rowsOf(root, least) {
  const rows = [];
  for (let row = [{ node: root, from: 0 }]; row.length > 0; ) {
    rows.push(row);
    const next = [];
    for (const { node, from } of row) {
      let at = from;
      for (const child of [...node.children.values()].toSorted((a, b) => b.total - a.total)) {
        if (child.total >= least * root.total) next.push({ node: child, from: at });
        at += child.total;
      }
    }
    row = next;
  }
  return rows;
}

function drawBox({ name, place, kind, total, self }, x, y, width, all) {
  const share = percent(total / all);
  const whole = [name, place, share, ...(self > 0 ? [`itself ${percent(self / all)}`] : [])]
    .filter((word) => word !== '')
    .join(', ');
  const label = cut(`${name} ${share} ${place}`.trim(), Math.floor((width - 4) / LETTER));
  return [
    `<g><title>${escaped(whole)}</title>`,
    `<rect class="${kind}" x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${ROW - 1}"/>`,
    ...(label === '' ? [] : [text((x + 3).toFixed(1), y + 12, label)]),
    '</g>',
  ].join('');
}

/** As much of a label as there is room for; nothing if that would say nothing. */
const cut = (words, room) =>
  words.length <= room ? words : room < 4 ? '' : `${words.slice(0, room - 1).trimEnd()}…`;

/** The colours, each with the share of time in code of that kind itself. */
function legend(root) {
  const shares = selfShares(root);
  let x = MARGIN;
  return Object.entries(KINDS).flatMap(([kind, [name]]) => {
    const words = `${name} ${percent(shares[kind])}`;
    const at = x;
    x += 34 + words.length * LETTER;
    return [
      `<rect class="${kind}" x="${at}" y="34" width="12" height="12"/>`,
      text((at + 16).toFixed(1), 44, words),
    ];
  });
}

/** The share of all time that was spent in code of each kind itself. */
export function selfShares(root) {
  const shares = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, 0]));
  const visit = (node) => {
    shares[node.kind] += node.self / root.total;
    for (const child of node.children.values()) visit(child);
  };
  visit(root);
  return shares;
}
