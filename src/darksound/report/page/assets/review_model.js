// A review: names, merges, splits, rejections and verdicts, with undo, and its CSV file.
//
// A unit is a cluster of the run, or a part that was split off; units of new numbers come after the
// largest cluster. A group is one unit or several that were merged, with the number of one of them.

import { parseCsv, writeCsv } from "./csv.js";

const MAX_UNDO = 100;
const NONE = -1;
const FIELDS = [
  "roi_id",
  "recording",
  "start_s",
  "end_s",
  "cluster",
  "group",
  "name",
  "rejected",
  "verdict",
];
const OPTIONAL = ["recording", "verdict"];
export const VERDICTS = ["yes", "no", "unsure"];

// The cause why a file is no review of this run: the key of a text, and its values.
export class ReviewError extends Error {
  constructor(key, values = {}) {
    super(key);
    Object.assign(this, { key, values });
  }
}

function emptyState() {
  return { names: {}, groups: {}, parts: {}, rows: {}, rejected: {}, clips: {}, verdicts: {} };
}

export class ReviewModel {
  // data: `ids`, `recordings`, `starts`, `ends`, `cluster` and `leaf` of each ROI, and `numbers`,
  // those of the clusters.
  constructor(data, changed = () => {}) {
    this.data = data;
    this.changed = changed;
    this.state = emptyState();
    this.undone = [];
    this.done = [];
    this.known = new Set(data.numbers);
    this.largest = Math.max(NONE, ...data.numbers);
    this.forget();
  }

  // What is computed from the state.
  forget() {
    this.cachedUnits = null;
    this.cachedRows = null;
    this.cachedGroups = null;
  }

  get serialised() {
    return JSON.stringify(this.state);
  }

  // Take over a stored state; false if the text is none.
  restore(text) {
    let stored = null;
    try {
      stored = JSON.parse(text);
    } catch {
      return false;
    }
    if (!stored || !["names", "groups", "rejected", "clips"].every((name) => stored[name]))
      return false;
    this.state = { ...emptyState(), ...stored };
    this.forget();
    return true;
  }

  change(what, act) {
    this.done.push({ what, before: this.serialised });
    this.done = this.done.slice(-MAX_UNDO);
    this.undone = [];
    act(this.state);
    this.forget();
    this.changed();
  }

  // Take back the last change, or make it again; return what it was, null for none.
  undo() {
    return this.exchange(this.done, this.undone);
  }

  redo() {
    return this.exchange(this.undone, this.done);
  }

  exchange(from, to) {
    if (!from.length) return null;
    const { what, before } = from.pop();
    to.push({ what, before: this.serialised });
    this.state = JSON.parse(before);
    this.forget();
    this.changed();
    return what;
  }

  // The unit of each ROI, -1 for noise.
  get units() {
    if (!this.cachedUnits) {
      const { cluster, leaf } = this.data;
      const { parts, rows } = this.state;
      this.cachedUnits = Int32Array.from(cluster, (number, row) => parts[leaf[row]] ?? number);
      for (const [row, unit] of Object.entries(rows)) this.cachedUnits[row] = unit;
    }
    return this.cachedUnits;
  }

  // The ROIs of each unit, by its number, clusters that were split up completely included.
  get rows() {
    if (!this.cachedRows) {
      const rows = new Map(this.data.numbers.map((number) => [number, []]));
      this.units.forEach((unit, row) => {
        if (unit === NONE) return;
        if (!rows.has(unit)) rows.set(unit, []);
        rows.get(unit).push(row);
      });
      this.cachedRows = rows;
    }
    return this.cachedRows;
  }

  // The units of each group, by its number.
  get groups() {
    if (!this.cachedGroups) {
      this.cachedGroups = new Map();
      for (const unit of this.rows.keys()) {
        const group = this.groupOf(unit);
        if (!this.cachedGroups.has(group)) this.cachedGroups.set(group, []);
        this.cachedGroups.get(group).push(unit);
      }
    }
    return this.cachedGroups;
  }

  get numbers() {
    return [...this.rows.keys()];
  }

  groupOf(unit) {
    return this.state.groups[unit] ?? unit;
  }

  unitsOf(group) {
    return this.groups.get(group) ?? [];
  }

  nameOf(unit) {
    return this.state.names[this.groupOf(unit)] ?? "";
  }

  mergedWith(unit) {
    return this.unitsOf(this.groupOf(unit)).filter((other) => other !== unit);
  }

  isSplit(unit) {
    return unit > this.largest;
  }

  isRejected(unit) {
    return Boolean(this.state.rejected[unit]);
  }

  isClipRejected(row) {
    return Boolean(this.state.clips[row]);
  }

  isRoiRejected(row) {
    return this.isClipRejected(row) || this.isRejected(this.units[row]);
  }

  verdictOf(row) {
    return this.state.verdicts[row] ?? "";
  }

  newUnit() {
    return Math.max(this.largest, ...this.rows.keys()) + 1;
  }

  name(unit, text) {
    const entered = text.replace(/\s+/g, " ").trim();
    if (entered === this.nameOf(unit)) return;
    this.change("name", ({ names }) => {
      if (entered) names[this.groupOf(unit)] = entered;
      else delete names[this.groupOf(unit)];
    });
  }

  merge(unit, into) {
    const [from, to] = [this.groupOf(unit), this.groupOf(into)];
    if (from === to) return;
    this.change("merge", (state) => this.join(state, from, to));
  }

  join(state, from, to) {
    for (const member of this.unitsOf(from)) state.groups[member] = to;
    const name = state.names[to] || state.names[from];
    if (name) state.names[to] = name;
    delete state.names[from];
  }

  // Remove a unit from its group; the others keep the name, under the first of them.
  unmerge(unit) {
    this.change("unmerge", (state) => this.leave(state, unit));
  }

  leave(state, unit) {
    const [group, others] = [this.groupOf(unit), this.mergedWith(unit)];
    delete state.groups[unit];
    if (group !== unit || !others.length) return;
    for (const member of others) state.groups[member] = others[0];
    delete state.groups[others[0]];
    if (state.names[group]) state.names[others[0]] = state.names[group];
    delete state.names[group];
  }

  reject(unit, rejected = !this.isRejected(unit)) {
    this.change(rejected ? "reject" : "restore", (state) => {
      if (rejected) state.rejected[unit] = true;
      else delete state.rejected[unit];
    });
  }

  rejectClips(rows, rejected) {
    this.change(rejected ? "reject" : "restore", ({ clips }) => {
      for (const row of rows)
        if (rejected) clips[row] = true;
        else delete clips[row];
    });
  }

  setVerdict(row, verdict) {
    this.change("verdict", ({ verdicts }) => {
      if (verdict) verdicts[row] = verdict;
      else delete verdicts[row];
    });
  }

  // Split leaves of the tree off from their units; each list becomes a unit. A list that is all of
  // a unit stays this unit. Return the numbers of the units.
  split(lists) {
    const numbers = [];
    this.change("split", (state) => {
      for (const leaves of lists) numbers.push(this.splitOff(state, leaves));
    });
    return numbers;
  }

  splitOff(state, leaves) {
    const unit = Math.max(this.newUnit(), ...Object.values(state.parts).map((n) => n + 1));
    for (const leaf of leaves) state.parts[leaf] = unit;
    return unit;
  }

  // Make ROIs a unit of their own, of whatever units or noise they are. Return its number.
  splitRows(rows, name = "") {
    const unit = this.newUnit();
    this.change("split", (state) => {
      for (const row of rows) state.rows[row] = unit;
      if (name.trim()) state.names[unit] = name.replace(/\s+/g, " ").trim();
    });
    return unit;
  }

  // Give units or leaves that are one group of another level a name, as one change: several units
  // are merged, leaves of one cluster are split off.
  nameTogether({ units, leaves }, text) {
    const entered = text.replace(/\s+/g, " ").trim();
    this.change("name", (state) => {
      let unit = units[0];
      if (leaves) {
        unit = this.splitOff(state, leaves);
      }
      for (const other of units.slice(1)) {
        this.join(state, this.groupOf(other), this.groupOf(unit));
        this.forget();
      }
      const group = state.groups[unit] ?? unit;
      if (entered) state.names[group] = entered;
      else delete state.names[group];
    });
  }

  rejectTogether({ units, leaves }, rejected) {
    this.change(rejected ? "reject" : "restore", (state) => {
      for (const unit of leaves ? [this.splitOff(state, leaves)] : units)
        if (rejected) state.rejected[unit] = true;
        else delete state.rejected[unit];
    });
  }

  // Undo the splits of a unit: its ROIs return to their clusters.
  unsplit(unit) {
    this.change("unsplit", (state) => {
      this.leave(state, unit);
      for (const kind of ["parts", "rows"])
        for (const [key, number] of Object.entries(state[kind]))
          if (number === unit) delete state[kind][key];
      delete state.names[unit];
      delete state.rejected[unit];
    });
  }

  // Counts of the review, over all ROIs.
  counts() {
    const { units } = this;
    const result = { types: 0, clustered: 0, rejected: 0, verdicts: 0, named: 0 };
    for (let row = 0; row < units.length; row++) {
      if (this.isRoiRejected(row)) result.rejected++;
      else if (units[row] !== NONE) result.clustered++;
    }
    for (const [group, members] of this.groups) {
      const isThere = members.some(
        (unit) => !this.isRejected(unit) && this.rows.get(unit).length > 0,
      );
      if (!isThere) continue;
      result.types++;
      if (this.state.names[group]) result.named++;
    }
    result.verdicts = Object.keys(this.state.verdicts).length;
    return result;
  }

  reviewed() {
    const { cluster } = this.data;
    const touched = new Set();
    for (const kind of ["clips", "rows"])
      for (const row of Object.keys(this.state[kind])) touched.add(cluster[row]);
    this.rows.forEach((rows, unit) => {
      const group = this.groupOf(unit);
      if (
        this.state.names[group] ||
        group !== unit ||
        this.isRejected(unit) ||
        this.isSplit(unit) ||
        this.unitsOf(group).length > 1
      )
        for (const row of rows) touched.add(cluster[row]);
      if (!rows.length) touched.add(unit);
    });
    touched.delete(NONE);
    return touched;
  }

  csv() {
    const { ids, recordings, starts, ends, cluster } = this.data;
    const reviewed = this.reviewed();
    const lines = [FIELDS];
    for (let row = 0; row < ids.length; row++) {
      const verdict = this.verdictOf(row);
      const unit = this.units[row];
      const isNoise = unit === NONE;
      if (isNoise && !this.isClipRejected(row) && !verdict) continue;
      if (!isNoise && cluster[row] !== NONE && !reviewed.has(cluster[row]) && !verdict) continue;
      const group = isNoise ? NONE : this.groupOf(unit);
      lines.push([
        ids[row],
        recordings(row),
        starts[row],
        ends[row],
        cluster[row],
        group,
        this.state.names[group] ?? "",
        this.isRoiRejected(row),
        verdict,
      ]);
    }
    return writeCsv(lines);
  }

  // Take over a file; return its number of rows. Raises ReviewError.
  load(text) {
    const { state, count } = this.fromCsv(text);
    this.change("load", () => {
      this.state = state;
    });
    return count;
  }

  fromCsv(text) {
    const [header = [], ...body] = parseCsv(text, () => new ReviewError("review.open_quote"));
    const columnOf = Object.fromEntries(FIELDS.map((name) => [name, header.indexOf(name)]));
    const missing = FIELDS.filter((name) => columnOf[name] < 0 && !OPTIONAL.includes(name));
    if (missing.length)
      throw new ReviewError("review.missing_columns", { columns: missing.join(", ") });
    const { ids, cluster } = this.data;
    const rowOf = new Map(ids.map((id, row) => [id, row]));
    const state = emptyState();
    const rows = [];
    for (const line of body) {
      const row = rowOf.get(line[columnOf.roi_id]);
      if (row === undefined || cluster[row] !== Number(line[columnOf.cluster]))
        throw new ReviewError("review.other_run");
      const group = Number(line[columnOf.group]);
      if (
        !(Number.isInteger(group) && group >= NONE) ||
        (group <= this.largest && group !== NONE && !this.known.has(group))
      )
        throw new ReviewError("review.no_cluster", { cluster: line[columnOf.group] });
      const name = line[columnOf.name];
      if (name && group !== NONE) state.names[group] = name;
      const verdict = columnOf.verdict < 0 ? "" : (line[columnOf.verdict] ?? "");
      if (VERDICTS.includes(verdict)) state.verdicts[row] = verdict;
      rows.push({ row, group, rejected: line[columnOf.rejected].toLowerCase() === "true" });
    }
    this.readGroups(state, rows);
    this.readRejections(state, rows);
    return { state, count: body.length };
  }

  // Groups of whole clusters are merges; those of other ROIs are units that were split off.
  readGroups(state, rows) {
    const { cluster, leaf } = this.data;
    const groupsOf = new Map();
    for (const { row, group } of rows) {
      if (!groupsOf.has(cluster[row])) groupsOf.set(cluster[row], new Set());
      groupsOf.get(cluster[row]).add(group);
    }
    const sizes = new Map();
    leaf.forEach((number) => sizes.set(number, (sizes.get(number) ?? 0) + 1));
    const byPart = new Map();
    const units = new Map(); // of ROIs that joined another cluster: by group
    const unitFor = (group) => {
      if (group > this.largest) return group;
      if (!units.has(group))
        units.set(
          group,
          Math.max(this.largest, ...rows.map((r) => r.group), ...units.values()) + 1,
        );
      state.groups[units.get(group)] = group;
      return units.get(group);
    };
    for (const { row, group } of rows) {
      const own = cluster[row];
      if (group === NONE || group === own) continue;
      const isWhole = own !== NONE && groupsOf.get(own).size === 1;
      if (isWhole && group <= this.largest) {
        state.groups[own] = group;
        continue;
      }
      const key = `${leaf[row]} ${group}`;
      if (!byPart.has(key)) byPart.set(key, []);
      byPart.get(key).push(row);
    }
    for (const [key, members] of byPart) {
      const [part, group] = key.split(" ").map(Number);
      const unit = unitFor(group);
      if (part !== NONE && members.length === sizes.get(part)) state.parts[part] = unit;
      else for (const row of members) state.rows[row] = unit;
    }
  }

  readRejections(state, rows) {
    const { cluster, leaf } = this.data;
    const unitOf = (row) => state.rows[row] ?? state.parts[leaf[row]] ?? cluster[row];
    const sizes = new Map();
    for (let row = 0; row < cluster.length; row++)
      sizes.set(unitOf(row), (sizes.get(unitOf(row)) ?? 0) + 1);
    const rejected = new Map();
    for (const { row, rejected: isRejected } of rows) {
      if (!isRejected) continue;
      state.clips[row] = true;
      if (!rejected.has(unitOf(row))) rejected.set(unitOf(row), []);
      rejected.get(unitOf(row)).push(row);
    }
    for (const [unit, members] of rejected) {
      if (unit === NONE || members.length < sizes.get(unit)) continue;
      state.rejected[unit] = true;
      for (const row of members) delete state.clips[row];
    }
  }
}
