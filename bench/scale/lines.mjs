// A chart of lines in an SVG: both axes logarithmic, so that a cost that grows with its cause is a straight line and one
// that does not is a flat one; or both linear, from zero.
import { digits } from '../report.mjs';
import { COLOURS, picture, text } from '../svg.mjs';

const WIDTH = 760;
const HEIGHT = 420;
const LEFT = 70;
const RIGHT = 190;
const TOP = 70;
const BOTTOM = 50;

/** From values to pixels, and where its lines are drawn. */
const axis = (values, from, to, linear) =>
  linear ? linearAxis(Math.max(...values), from, to) : logarithmicAxis(values, from, to);

/** From zero, in four to ten steps of 1, 2 or 5 times a power of ten. */
function linearAxis(largest, from, to) {
  const unit = 10 ** Math.floor(Math.log10(largest / 4));
  const step = unit * [5, 2, 1].find((factor) => largest / (unit * factor) >= 4);
  const count = Math.ceil(largest / step);
  return {
    place: (value) => from + (value / (count * step)) * (to - from),
    ticks: Array.from({ length: count + 1 }, (_, i) => i * step),
  };
}

/** Whole powers of ten. */
function logarithmicAxis(values, from, to) {
  const first = Math.floor(Math.log10(Math.min(...values)) + 1e-9);
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...values)) - 1e-9));
  return {
    place: (value) => from + ((Math.log10(value) - first) / (last - first)) * (to - from),
    ticks: Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i)),
  };
}

/** A picture of a question's lines; a point that is below zero or failed is not in it. */
export function lineChart({ title, x, y, linear = false, series }, machine) {
  const drawn = series.map(({ name, points }) => ({ name, points: points.filter((one) => one.y > 0) }));
  const all = drawn.flatMap(({ points }) => points);
  if (all.length === 0) return picture(WIDTH, 60, title, [text(10, 24, `${title}: no point to draw`)]);
  const xs = all.map((one) => one.x);
  const ys = all.map((one) => one.y);
  const across = axis(xs, LEFT, WIDTH - RIGHT, linear);
  const up = axis(ys, HEIGHT - BOTTOM, TOP, linear);
  return picture(WIDTH, HEIGHT, title, [
    text(10, 24, title, 'font-size="16" font-weight="bold"'),
    text(10, 44, `${machine.date}, ${machine.processor}, Node ${machine.node}`),
    text(10, 62, linear ? y : `${y} (logarithmic)`),
    ...across.ticks.flatMap((tick) => vertical(across.place(tick), tick)),
    ...up.ticks.flatMap((tick) => horizontal(up.place(tick), tick)),
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, x, 'text-anchor="middle"'),
    ...drawn.flatMap((one, i) => line(one, across, up, COLOURS[i % COLOURS.length])),
    ...keys(drawn),
  ]);
}

/** Short numbers: 0.01, 10, 1k, 1M. */
function short(value) {
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  return value >= 1e3 ? `${Number((value / 1e3).toPrecision(3))}k` : String(Number(value.toPrecision(3)));
}

const vertical = (x, tick) => [
  `<path d="M${x.toFixed(1)} ${TOP}V${HEIGHT - BOTTOM}" stroke="#ddd"/>`,
  text(x.toFixed(1), HEIGHT - BOTTOM + 16, short(tick), 'text-anchor="middle"'),
];

const horizontal = (y, tick) => [
  `<path d="M${LEFT} ${y.toFixed(1)}H${WIDTH - RIGHT}" stroke="#ddd"/>`,
  text(LEFT - 6, (y + 4).toFixed(1), short(tick), 'text-anchor="end"'),
];

/** Beyond this many points a line has no marks. */
const MARKS = 30;

function line({ points }, across, up, colour) {
  const places = points.map(({ x, y }) => [across.place(x).toFixed(1), up.place(y).toFixed(1)]);
  const path = `<polyline points="${places.map((place) => place.join(',')).join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`;
  if (places.length > MARKS) return [path];
  return [path, ...places.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="3" fill="${colour}"/>`)];
}

/** The names of the lines, from the highest end to the lowest, as they are drawn. */
function keys(series) {
  return series
    .map(({ name, points }, i) => ({ name, end: points.at(-1)?.y ?? 0, colour: COLOURS[i % COLOURS.length] }))
    .toSorted((a, b) => b.end - a.end)
    .flatMap(({ name, end, colour }, i) => {
      const y = TOP + 8 + i * 20;
      return [
        `<path d="M${WIDTH - RIGHT + 14} ${y - 4}h18" stroke="${colour}" stroke-width="3"/>`,
        text(WIDTH - RIGHT + 38, y, `${name} (${digits(end)})`),
      ];
    });
}
