// What a card shows of some ROIs, computed from the columns of all ROIs.

const TOP = 6;
const DAY_HOURS = 24;

function topCounts(codes, rows) {
  const counts = new Map();
  for (const row of rows) {
    const code = codes[row];
    if (code >= 0) counts.set(code, (counts.get(code) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
}

function quantile(sorted, share) {
  const position = share * (sorted.length - 1);
  const low = Math.floor(position);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (position - low) * (sorted[high] - sorted[low]);
}

// Return counts, durations and clips of ROIs. `columns` are those of the page; `limits` are the
// numbers of `typical` and `borderline` clips; `medoid` is a ROI that comes first, if it is known.
export function describeRows(rows, columns, limits, medoid = null) {
  const { start_s: starts, end_s: ends, probability, recording, hour, label, site } = columns;
  const ranked = [...rows].sort((a, b) => probability[b] - probability[a] || a - b);
  const first = medoid ?? ranked[0];
  const others = ranked.filter((row) => row !== first);
  const typical = others.slice(0, limits.typical);
  const rest = others.slice(limits.typical).reverse();
  const durations = [...rows].map((row) => ends[row] - starts[row]).sort((a, b) => a - b);
  const hours = new Array(DAY_HOURS).fill(0);
  for (const row of rows) if (hour[row] >= 0) hours[hour[row]]++;
  const recordings = topCounts(recording, rows);
  let sum = 0;
  for (const row of rows) sum += probability[row];
  return {
    size: rows.length,
    medoid: first,
    typical,
    borderline: rest.slice(0, limits.borderline),
    duration: [0.25, 0.5, 0.75].map((share) => quantile(durations, share)),
    probability: sum / rows.length / 255,
    hours: hours.some((n) => n > 0) ? hours : null,
    recordings: recordings.slice(0, TOP),
    n_recordings: recordings.length,
    n_sites: topCounts(site, rows).length,
    sites: topCounts(site, rows).slice(0, TOP),
    labels: topCounts(label, rows).slice(0, TOP),
  };
}

// Return for each quality flag the share of ROIs that have it.
export function flagShares(rows, flags, n_flags) {
  const counts = new Array(n_flags).fill(0);
  for (const row of rows) for (let i = 0; i < n_flags; i++) if (flags[row] & (1 << i)) counts[i]++;
  return counts.map((n) => (rows.length ? n / rows.length : 0));
}
