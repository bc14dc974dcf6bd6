// Outlines of clusters on the map: the convex hull of their points without the outermost ones.

const KEPT = 0.9;
const MAX_POINTS = 2000;

// The convex hull of points, counter-clockwise (Andrew 1979).
export function convexHull(points) {
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  if (sorted.length < 3) return sorted;
  const turn = (a, b, c) => (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
  const half = (list) => {
    const chain = [];
    for (const point of list) {
      while (chain.length > 1 && turn(chain.at(-2), chain.at(-1), point) <= 0) chain.pop();
      chain.push(point);
    }
    return chain.slice(0, -1);
  };
  return [...half(sorted), ...half(sorted.reverse())];
}

function middle(values) {
  return Float64Array.from(values).sort()[Math.floor((values.length - 1) / 2)];
}

// Return the median point of rows, and the hull of the nine tenths that are nearest to it.
export function outlineOf(rows, x, y) {
  const step = Math.max(1, Math.floor(rows.length / MAX_POINTS));
  const some = rows.filter((_, i) => i % step === 0);
  const centre = [middle(some.map((row) => x[row])), middle(some.map((row) => y[row]))];
  const byDistance = some
    .map((row) => [x[row], y[row]])
    .sort(
      (a, b) =>
        Math.hypot(a[0] - centre[0], a[1] - centre[1]) -
        Math.hypot(b[0] - centre[0], b[1] - centre[1]),
    );
  const kept = byDistance.slice(0, Math.max(3, Math.ceil(KEPT * byDistance.length)));
  return { centre, hull: convexHull(kept) };
}
