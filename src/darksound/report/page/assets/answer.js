// The answer of the page: what was found, in sentences with numbers, and which cards are first.
//
// A type is what has a name or number of its own: `{key, n, recordings, sites, isolation, hours,
// flags, recorder, stability, precision}`; unknown values are null.

const MOST = 12;
const FEW = 3;
// A type of fewer ROIs than this share of the median one is rare.
const RARE = 0.5;
const RARE_RECORDINGS = 2;
const ARTEFACT = 0.5;
const STABLE = 0.75;
const PEAK = 2;

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length ? sorted[Math.floor((sorted.length - 1) / 2)] : 0;
}

function bySize(a, b) {
  return b.n - a.n || a.key - b.key;
}

// Types that are rare, but not of one recording, the one farthest from all others first.
export function rareTypes(types) {
  const middle = median(types.map((type) => type.n));
  const inSeveral = types.filter((type) => type.recordings >= RARE_RECORDINGS);
  const small = inSeveral.filter((type) => type.n <= Math.max(1, RARE * middle));
  const third = Math.ceil(inSeveral.length / FEW);
  const smallest = [...inSeveral].sort(bySize).slice(-third);
  const candidates = small.length ? small : smallest.filter((type) => type.n < middle);
  return candidates
    .filter((type) => type.isolation !== null)
    .sort((a, b) => b.isolation - a.isolation || a.key - b.key);
}

// Types that are probably no calls: most of their ROIs have a quality flag that is not as frequent
// elsewhere, or they are of one recorder of several that recorded as much.
export function artefacts(types, { flagNames, recorders }) {
  const found = [];
  const all = flagNames.map((_, i) => median(types.map((type) => type.flags[i])));
  for (const type of [...types].sort(bySize)) {
    const worst = type.flags.reduce((best, share, i) => (share > type.flags[best] ? i : best), 0);
    const isFlagged =
      flagNames.length > 0 && type.flags[worst] >= ARTEFACT && type.flags[worst] >= 2 * all[worst];
    if (isFlagged) found.push({ key: type.key, cause: "flag", what: flagNames[worst] });
    else if (recorders > 1 && type.recorder !== null && type.sites > 1)
      found.push({ key: type.key, cause: "recorder", what: type.recorder });
  }
  return found;
}

// The hour of a day with the most ROIs, as the first of `PEAK` hours; null if it is not known.
export function peakHours(hours) {
  if (!hours || !hours.some((n) => n > 0)) return null;
  const sums = hours.map((_, hour) => {
    let sum = 0;
    for (let i = 0; i < PEAK; i++) sum += hours[(hour + i) % hours.length];
    return sum;
  });
  const from = sums.indexOf(Math.max(...sums));
  return { from, to: (from + PEAK) % hours.length };
}

// Return the sentences, each the key of a text, its values and the types that it is about.
// `totals`: `n`, `clustered`, `rejected`, `recordings`, `sites`, `interval` (`low`, `high`),
// `hours` (ROIs by hour) or `peak` (`hour` and `rate` of calls), `flagNames`, `recorders`, `named`, `verdicts`.
export function answer(types, totals) {
  const sentences = [];
  const add = (key, values = {}, keys = []) => sentences.push({ key, values, keys });
  const { interval } = totals;
  add(interval ? "answer.types_interval" : "answer.types", {
    n: types.length,
    low: interval?.low,
    high: interval?.high,
    rois: totals.clustered,
  });
  const known = types.filter((type) => type.stability !== null);
  const stable = known.filter((type) => type.stability >= STABLE);
  if (known.length) add("answer.stable", { n: stable.length, all: known.length });
  const inOne = types.filter((type) => type.recordings === 1);
  const atOne = types.filter((type) => type.sites === 1);
  if (totals.recordings > 1)
    add("answer.one_recording", { n: inOne.length, all: totals.recordings }, keysOf(inOne));
  if (totals.sites > 1)
    add("answer.one_site", { n: atOne.length, all: totals.sites }, keysOf(atOne));
  const rest = totals.n - totals.clustered - totals.rejected;
  add("answer.noise", { n: rest, share: totals.n ? rest / totals.n : 0 });
  if (totals.rejected) add("answer.rejected", { n: totals.rejected });
  const common = [...types].sort(bySize).slice(0, FEW);
  if (common.length) add("answer.common", {}, keysOf(common));
  const rare = rareTypes(types).slice(0, FEW);
  if (rare.length) add("answer.rare", {}, keysOf(rare));
  const peak = peakHours(totals.hours);
  if (totals.peak) {
    const { hour, rate } = totals.peak;
    add("answer.peak_rate", { from: hour, to: (hour + 1) % 24, rate });
  } else if (peak) add("answer.peak", peak);
  const suspects = artefacts(types, totals);
  const flagged = suspects.filter((suspect) => suspect.cause === "flag");
  const ofRecorder = suspects.filter((suspect) => suspect.cause === "recorder");
  if (flagged.length)
    add("answer.flagged", { flags: unique(flagged).join(", ") }, keysOf(flagged).slice(0, MOST));
  if (ofRecorder.length)
    add("answer.recorder", { n: ofRecorder.length }, keysOf(ofRecorder).slice(0, FEW));
  if (totals.named) add("answer.named", { n: totals.named });
  return sentences;
}

function keysOf(list) {
  return list.map((item) => item.key);
}

function unique(suspects) {
  return [...new Set(suspects.map((suspect) => suspect.what))];
}

// Return which cards come first, at most a dozen, with the reason of each.
export function startHere(types, totals) {
  const chosen = new Map();
  const choose = (list, reason, most) => {
    let left = most;
    for (const { key } of list) {
      if (left === 0 || chosen.size === MOST) return;
      if (chosen.has(key)) continue;
      chosen.set(key, reason);
      left--;
    }
  };
  const common = [...types].sort(bySize);
  choose(common, "common", 4);
  choose(rareTypes(types), "rare", FEW);
  const unstable = types.filter((type) => type.stability !== null && type.stability < STABLE);
  choose(
    unstable.sort((a, b) => a.stability - b.stability),
    "unstable",
    2,
  );
  choose(artefacts(types, totals), "artefact", 2);
  const inOne = common.filter((type) => type.recordings === 1);
  if (totals.recordings > 1) choose(inOne, "one_recording", 1);
  return [...chosen].map(([key, reason]) => ({ key, reason }));
}
