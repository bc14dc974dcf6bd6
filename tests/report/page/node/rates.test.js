import assert from "node:assert/strict";
import test from "node:test";

import { dispersionOf, gammaQuantile, rateInterval, ratesOf } from "#assets/rates.js";

const near = (actual, expected, by = 1e-3) =>
  assert.ok(Math.abs(actual - expected) <= by * Math.max(1, Math.abs(expected)), `${actual} is not ${expected}`);

// One site, three dates, two hours; the second hour was not recorded on the last date.
const cells = {
  site: [0, 0, 0, 0, 0],
  date: [0, 1, 2, 0, 1],
  hour: [5, 5, 5, 6, 6],
  seconds: [3600, 3600, 3600, 1800, 1800],
};

test("quantiles of the gamma distribution are those of tables of chi-square", () => {
  for (const [degrees, low, high] of [[1, 0.000982, 5.024], [2, 0.0506, 7.378], [20, 9.591, 34.17], [100, 74.222, 129.561]]) {
    near(2 * gammaQuantile(degrees / 2, 0.025), low);
    near(2 * gammaQuantile(degrees / 2, 0.975), high);
  }
});

test("intervals of single calls are those of Garwood", () => {
  const [low, high] = rateInterval(10, 2, 1);
  near(low, 4.795 / 2);
  near(high, 18.39 / 2);
  assert.equal(rateInterval(0, 1, 1)[0], 0);
  near(rateInterval(0, 1, 1)[1], 3.689);
});

test("calls in bouts have wider intervals", () => {
  const [low, high] = rateInterval(40, 1, 4);
  near(low, 4 * 4.795);
  near(high, 4 * 18.39);
});

test("the dispersion is that of days about the mean of their site and hour", () => {
  // Counts 2, 6 and 10 about 6 give 16/6 by two degrees of freedom, enlarged by Student's t.
  near(dispersionOf({ ...cells, hour: [5, 5, 5, 5, 5] }, [0, 0, 0, 0, 0], true), 1);
  const three = { site: [0, 0, 0], date: [0, 1, 2], hour: [5, 5, 5], seconds: [60, 60, 60] };
  near(dispersionOf(three, [2, 6, 10], true), (16 / 6) * (4.3027 / 1.95996) ** 2);
  near(dispersionOf(three, [6, 6, 6], false), 1);
  near(dispersionOf({ ...three, date: [0, 0, 0] }, [2, 6, 10], false), 1);
});

test("hours that were recorded without a call are zero, others have no rate", () => {
  const rows = ratesOf(cells, [3, 0, 0, 0, 0], 24, (i) => cells.hour[i], 1);
  assert.deepEqual([rows[5].rate, rows[5].hours, rows[6].rate, rows[7].rate], [1, 3, 0, null]);
});

test("cells with a negative key do not count", () => {
  const rows = ratesOf(cells, [3, 2, 1, 0, 0], 3, (i) => (cells.hour[i] === 5 ? cells.date[i] : -1), 1);
  assert.deepEqual(rows.map((row) => row.rate), [3, 2, 1]);
});
