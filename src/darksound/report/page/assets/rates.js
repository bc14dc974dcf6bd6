// Calls an hour with 95 % intervals, as `darksound.report.activity` computes them.

const TAIL = 0.025;
const MAX_DATES = 100_000;
const Z = 1.959963984540054;
// Student's t of 1 to 10 degrees of freedom.
const STUDENT = [12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.306, 2.2622, 2.2281];
const LANCZOS = [
  676.5203681218851, -1259.1392167224028, 771.3234287776531, -176.6150291621406, 12.507343278686905,
  -0.13857109526572012, 9.984369578019572e-6, 1.5056327351493116e-7,
];

function student(degrees) {
  if (degrees <= STUDENT.length) return STUDENT[degrees - 1];
  return (
    Z +
    (Z ** 3 + Z) / (4 * degrees) +
    (5 * Z ** 5 + 16 * Z ** 3 + 3 * Z) / (96 * degrees ** 2) +
    (3 * Z ** 7 + 19 * Z ** 5 + 17 * Z ** 3 - 15 * Z) / (384 * degrees ** 3)
  );
}

function logGamma(x) {
  const y = x - 1;
  const sum = LANCZOS.reduce(
    (total, factor, i) => total + factor / (y + i + 1),
    0.9999999999998099,
  );
  const base = y + LANCZOS.length - 0.5;
  return 0.5 * Math.log(2 * Math.PI) + (y + 0.5) * Math.log(base) - base + Math.log(sum);
}

// The share of the gamma distribution of a shape that is below x: a series, or a fraction.
function gammaShare(shape, x) {
  if (x <= 0) return 0;
  const factor = Math.exp(shape * Math.log(x) - x - logGamma(shape));
  if (x < shape + 1) {
    let [term, sum] = [1 / shape, 1 / shape];
    for (let n = 1; n < 10000 && term > sum * 1e-15; n++) {
      term *= x / (shape + n);
      sum += term;
    }
    return factor * sum;
  }
  let b = x + 1 - shape;
  let [c, d] = [1e300, 1 / b];
  let h = d;
  for (let n = 1; n < 10000; n++) {
    const a = -n * (n - shape);
    b += 2;
    d = 1 / (a * d + b);
    c = b + a / c;
    h *= d * c;
    if (Math.abs(d * c - 1) < 1e-15) break;
  }
  return 1 - factor * h;
}

// The value below which a share of the gamma distribution lies.
export function gammaQuantile(shape, share) {
  let [low, high] = [0, shape + 1];
  while (gammaShare(shape, high) < share) high *= 2;
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (gammaShare(shape, middle) < share) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

// The interval of a rate, of calls that come in bouts of a mean length of about `dispersion`.
export function rateInterval(calls, hours, dispersion) {
  const [bouts, scale] = [calls / dispersion, dispersion / hours];
  return [
    bouts > 0 ? scale * gammaQuantile(bouts, TAIL) : 0,
    scale * gammaQuantile(bouts + 1, 1 - TAIL),
  ];
}

// The variance of the counts of days at a site (and hour) over their mean, at least 1.
// cells: arrays site, date, hour, seconds; calls: their number in each cell.
export function dispersionOf(cells, calls, isHourly) {
  const units = new Map();
  for (let i = 0; i < calls.length; i++) {
    if (cells.date[i] < 0) continue;
    const stratum = isHourly ? 24 * cells.site[i] + cells.hour[i] : cells.site[i];
    const key = MAX_DATES * stratum + cells.date[i];
    const unit = units.get(key) ?? { stratum, calls: 0, seconds: 0 };
    unit.calls += calls[i];
    unit.seconds += cells.seconds[i];
    units.set(key, unit);
  }
  const strata = new Map();
  for (const unit of units.values()) {
    const stratum = strata.get(unit.stratum) ?? { units: 0, calls: 0, seconds: 0 };
    stratum.units += 1;
    stratum.calls += unit.calls;
    stratum.seconds += unit.seconds;
    strata.set(unit.stratum, stratum);
  }
  let pearson = 0;
  for (const unit of units.values()) {
    if (!unit.calls) continue;
    const stratum = strata.get(unit.stratum);
    const expected = (stratum.calls * unit.seconds) / stratum.seconds;
    // The sum of (calls - expected)² / expected over all units, also those without a call.
    pearson += unit.calls ** 2 / expected - unit.calls;
  }
  const used = [...strata.values()].filter((stratum) => stratum.calls);
  const degrees = used.reduce((sum, stratum) => sum + stratum.units - 1, 0);
  return degrees ? Math.max(1, (pearson / degrees) * (student(degrees) / Z) ** 2) : 1;
}

// Rates of `size` keys: calls, hours, and where something was recorded rate, low and high.
// keyOf: the key of a cell, negative for a cell that does not count.
export function ratesOf(cells, calls, size, keyOf, dispersion) {
  const rows = Array.from({ length: size }, () => ({ calls: 0, hours: 0, rate: null }));
  for (let i = 0; i < calls.length; i++) {
    const key = keyOf(i);
    if (key < 0) continue;
    rows[key].calls += calls[i];
    rows[key].hours += cells.seconds[i] / 3600;
  }
  for (const row of rows) {
    if (!row.hours) continue;
    row.rate = row.calls / row.hours;
    [row.low, row.high] = rateInterval(row.calls, row.hours, dispersion);
  }
  return rows;
}
