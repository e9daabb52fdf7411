// Whether a series of readings rises, told so that neither single outliers nor the noise of a collector decide it.
//
// The slope is that of Theil and Sen: the median of the slopes between all pairs of readings. How far it may be from the
// true one is read from the same pairs (Sen 1968): as many ranks beside the median as Kendall's statistic scatters for
// readings that have no trend. What is judged is the lower bound: a rise is told only if it is that certain.

/** Standard deviations of a bound: one in 30,000 series without a trend would be below it. */
const CERTAIN = 4;

const median = (sorted) => {
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

const ascending = (values) => Float64Array.from(values).sort();

/**
 * Of points `{ x, y }`, in y per x: the slope, its bounds, and the noise around it, the median absolute deviation. Below
 * some ten points the bounds are the extremes of all pairs.
 */
export function slopeOf(points) {
  const slopes = [];
  for (let i = 0; i < points.length; i += 1)
    for (let j = i + 1; j < points.length; j += 1)
      slopes.push((points[j].y - points[i].y) / (points[j].x - points[i].x));
  if (slopes.length === 0) return { slope: 0, least: 0, most: 0, noise: 0 };
  const sorted = ascending(slopes);
  const slope = median(sorted);
  const n = points.length;
  const scatter = Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18);
  const rank = Math.max(0, Math.floor((sorted.length - CERTAIN * scatter) / 2));
  const level = median(ascending(points.map(({ x, y }) => y - slope * x)));
  const noise = median(ascending(points.map(({ x, y }) => Math.abs(y - slope * x - level))));
  return { slope, least: sorted[rank], most: sorted[sorted.length - 1 - rank], noise };
}

/**
 * Whether the later half of a series rises by more than `once` in all: the first half is for what grows once, code that
 * is compiled, pools and tables that find their size, and `once` for what of this comes late.
 */
export function judge(points, once) {
  const later = points.slice(points.length >> 1);
  const found = slopeOf(later);
  const tolerated = later.length < 2 ? 0 : once / (later.at(-1).x - later[0].x);
  return { ...found, tolerated, rises: found.least > tolerated };
}
