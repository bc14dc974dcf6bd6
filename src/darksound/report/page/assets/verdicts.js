// The plan of which clips to check, and the precision that the verdicts give.

import { page, points } from "./data.js";
import { partition } from "./partition.js";
import { precisionOf, strataOf } from "./precision.js";
import { review } from "./review.js";

const planned = new Set(page.plan);
const CLUSTERS = 2 ** 24;

const access = {
  // A stratum is a band of probability of a cluster of the run.
  stratumOf: (row) => points.stratum[row] * CLUSTERS + points.cluster[row] + 1,
  isPlanned: (row) => planned.has(row),
  verdictOf: (row) => review.verdictOf(row),
  isRejected: (row) => review.isClipRejected(row),
};

// The precision of the group of a unit.
export function precisionOfUnit(unit) {
  const rows = review.unitsOf(review.groupOf(unit)).flatMap((each) => review.rows.get(each));
  const { strata, known, knownYes } = strataOf(rows, access);
  return precisionOf(strata, known, knownYes);
}

// The rows of the plan of a unit, or of all units, without rejected ones.
export function plannedRows(unit = null) {
  return page.plan.filter((row) => {
    const own = review.units[row];
    return own >= 0 && !review.isRejected(own) && (unit === null || own === unit);
  });
}

export function plannedUnits() {
  const units = new Set(plannedRows().map((row) => review.units[row]));
  return [...partition.types.keys()].filter((key) => units.has(key));
}
