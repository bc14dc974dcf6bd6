// The precision of a set of ROIs of which a stratified random sample was checked, with its interval:
// the same formulas as in darksound.report.precision.

const Z95 = 1.959963984540054;

// The Wilson score interval of a proportion (Wilson 1927, doi 10.2307/2276774).
export function wilson(share, n, z = Z95) {
  if (n === Infinity) return [share, share];
  const centre = n * share + (z * z) / 2;
  const half = z * Math.sqrt(Math.max(n * share * (1 - share), 0) + (z * z) / 4);
  return [Math.max((centre - half) / (n + z * z), 0), Math.min((centre + half) / (n + z * z), 1)];
}

// strata: `{size, checked, yes}` of each; `known` ROIs were checked outside of the sample, `knownYes` of
// them are calls. Return `{estimate, low, high, checked}`; the estimate is null if nothing was checked.
export function precisionOf(strata, known = 0, knownYes = 0) {
  const unknown = strata.reduce((sum, { size }) => sum + size, 0);
  const n = unknown + known;
  const used = strata.filter(({ checked }) => checked > 0);
  const checked = used.reduce((sum, stratum) => sum + stratum.checked, 0);
  const nYes = knownYes + used.reduce((sum, { yes }) => sum + yes, 0);
  const nNo = known + checked - nYes;
  const total = { checked: known + checked };
  if (!n) return { ...total, estimate: null, low: 0, high: 1 };
  if (unknown && !used.length)
    return { ...total, estimate: null, low: knownYes / n, high: (knownYes + unknown) / n };
  if (!unknown) return { ...total, estimate: nYes / n, low: nYes / n, high: nYes / n };
  // Strata in which nothing was checked are taken to be like the others.
  const covered = used.reduce((sum, { size }) => sum + size, 0);
  let [share, factor] = [0, 0];
  for (const stratum of used) {
    const size = (stratum.size * unknown) / covered;
    const weight = size / unknown;
    share += (weight * stratum.yes) / stratum.checked;
    factor += (weight ** 2 * Math.max(1 - stratum.checked / size, 0)) / stratum.checked;
  }
  const [low, high] = wilson(share, factor ? 1 / factor : Infinity);
  const ofAll = (part) => (knownYes + unknown * part) / n;
  return {
    ...total,
    estimate: ofAll(share),
    low: Math.max(ofAll(low), nYes / n),
    high: Math.min(ofAll(high), 1 - nNo / n),
  };
}

// Sort the ROIs of a group into strata, with the verdicts on them: those of the plan are a sample,
// verdicts on other ROIs hold for these alone, unsure ones count as not drawn.
export function strataOf(rows, { stratumOf, isPlanned, verdictOf, isRejected }) {
  const strata = new Map();
  let [known, knownYes] = [0, 0];
  for (const row of rows) {
    const verdict = isRejected(row) ? "no" : verdictOf(row);
    const isChecked = verdict === "yes" || verdict === "no";
    if (isChecked && !isPlanned(row)) {
      known++;
      if (verdict === "yes") knownYes++;
      continue;
    }
    const key = stratumOf(row);
    if (!strata.has(key)) strata.set(key, { size: 0, checked: 0, yes: 0 });
    const stratum = strata.get(key);
    stratum.size++;
    if (isChecked) stratum.checked++;
    if (verdict === "yes") stratum.yes++;
  }
  return { strata: [...strata.values()], known, knownYes };
}
