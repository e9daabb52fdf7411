// What "straight" and "flat" mean here, and where a line is neither.

/**
 * A cost for each unit of work may fall when there is more of it, since work comes in larger pieces, but must not rise.
 * A point breaks that when it lies by more than this share above the least one before it.
 */
export const RISE = 0.25;
/** Memory may swing with the collector of garbage; its last quarter may lie so far above the first one. */
export const GROWTH = 0.1;
/** What is read before this share of the way counts as warming up. */
export const WARM_UP = 0.1;

/** The points that lie too high, each with how many times the least before it; `noisy` if one of the two is. */
export function rises(points) {
  let least = points[0];
  const found = [];
  for (const point of points) {
    if (point.y > least.y * (1 + RISE)) {
      const noisy = (point.noisy || least.noisy) && { noisy: true };
      found.push({ ...point, ...noisy, times: point.y / least.y, least: least.x });
    }
    if (point.y < least.y) least = point;
  }
  return found;
}

const mean = (points) => points.reduce((sum, { y }) => sum + y, 0) / points.length;

/** Of readings along a way: the least and largest after the warm-up, and what the last quarter is of the first one. */
export function swing(points) {
  const end = points.at(-1).x;
  const warm = points.filter(({ x }) => x >= end * WARM_UP);
  const quarter = Math.ceil(warm.length / 4);
  const values = warm.map(({ y }) => y);
  return {
    least: Math.min(...values),
    largest: Math.max(...values),
    growth: mean(warm.slice(-quarter)) / mean(warm.slice(0, quarter)) - 1,
  };
}
