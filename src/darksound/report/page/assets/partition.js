// The groups that map, cards and counts show: the clusters of the run with their review, or a
// coarser or finer cut of the tree.

import { asArray, clusters, page, points } from "./data.js";
import { describeRows } from "./describe.js";
import { createEvent } from "./elements.js";
import { t } from "./language.js";
import { review } from "./review.js";
import { Tree } from "./tree.js";

const LIMITS = { typical: 5, borderline: 3 };
// Keys of nodes of the tree are above those of units.
const FIRST_NODE = 2 ** 24;
const SHOWN_NAMES = 2;
const LETTERS = "abcdefghijklmnopqrstuvwxyz";

function readTree() {
  const [first, second, height] = ["first", "second", "height"].map((name) =>
    asArray(page.levels[name]),
  );
  const merges = Array.from(first, (a, i) => [a, second[i], height[i]]);
  return new Tree(page.levels.cluster.length, merges, page.levels.cluster);
}

class Partition {
  constructor() {
    this.tree = readTree();
    this.size = this.tree.ownSize;
    this.changed = createEvent();
    this.forget();
    review.changed.subscribe(() => {
      this.forget();
      this.changed(false);
    });
  }

  forget() {
    this.cachedTypes = null;
    this.cachedGroups = null;
    this.infos = new Map();
  }

  // Whether the groups are those of the run and of the review.
  get isOwn() {
    return this.size === this.tree.ownSize;
  }

  setSize(size) {
    const next = Math.min(Math.max(size, 1), this.tree.leaves);
    if (next === this.size) return;
    this.size = next;
    this.forget();
    this.changed(true);
  }

  // What has a card, by its key: `{key, rows, units, leaves, cluster}`.
  get types() {
    this.cachedTypes ??= this.isOwn ? this.ownTypes() : this.nodeTypes();
    return this.cachedTypes;
  }

  ownTypes() {
    const types = new Map();
    for (const [unit, rows] of review.rows)
      if (rows.length) types.set(unit, { key: unit, rows, units: [unit] });
    return types;
  }

  nodeTypes() {
    const nodeOf = this.tree.cut(this.size);
    const byNode = new Map();
    nodeOf.forEach((node, leaf) => {
      if (!byNode.has(node)) byNode.set(node, { key: FIRST_NODE + node, rows: [], leaves: [] });
      byNode.get(node).leaves.push(leaf);
    });
    for (let row = 0; row < page.n; row++)
      if (points.leaf[row] >= 0) byNode.get(nodeOf[points.leaf[row]]).rows.push(row);
    const parts = new Map();
    for (const type of byNode.values()) {
      type.numbers = [...new Set(type.leaves.map((leaf) => page.levels.cluster[leaf]))];
      type.numbers.sort((a, b) => clusters.get(b).size - clusters.get(a).size || a - b);
      type.units = [...new Set(type.rows.map((row) => review.units[row]))];
      const [number] = type.numbers;
      const isPart = type.numbers.length === 1 && type.rows.length < clusters.get(number).size;
      if (isPart) parts.set(number, [...(parts.get(number) ?? []), type]);
    }
    for (const list of parts.values())
      list
        .sort((a, b) => b.rows.length - a.rows.length)
        .forEach((type, i) => {
          type.letter = LETTERS[i];
        });
    return new Map([...byNode.values()].map((type) => [type.key, type]));
  }

  // What the map shows as one: `{key, rows, title, label}` by key; `of` is the key of each ROI, -1
  // for noise and rejected ones.
  get groups() {
    this.cachedGroups ??= this.makeGroups();
    return this.cachedGroups;
  }

  makeGroups() {
    const of = new Int32Array(page.n).fill(-1);
    const groups = new Map();
    for (const type of this.types.values()) {
      const key = this.isOwn ? review.groupOf(type.key) : type.key;
      for (const row of type.rows) {
        if (review.isRoiRejected(row)) continue;
        of[row] = key;
        if (!groups.has(key)) groups.set(key, { key, rows: [], type });
        groups.get(key).rows.push(row);
      }
    }
    for (const group of groups.values()) {
      group.title = this.isOwn ? review.titleOf(group.key) : this.titleOf(group.type.key);
      group.label = this.isOwn
        ? review.nameOf(group.key) || String(group.key)
        : this.nameOf(group.type.key) || this.shortOf(group.type);
    }
    return { of, groups };
  }

  // The key of the card of a ROI; null for noise.
  typeOf(row) {
    if (points.cluster[row] < 0 && review.units[row] < 0) return null;
    if (this.isOwn) return review.units[row];
    for (const type of this.types.values())
      if (type.leaves.includes(points.leaf[row])) return type.key;
    return null;
  }

  // The names of the ROIs of a type, the most frequent first; "" without any.
  nameOf(key) {
    const type = this.types.get(key);
    if (this.isOwn || !type) return review.nameOf(key);
    const counts = new Map();
    for (const row of type.rows) {
      const unit = review.units[row];
      const name = unit < 0 ? "" : review.nameOf(unit);
      if (name) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    const names = [...counts].sort((a, b) => b[1] - a[1]).map(([name]) => name);
    const more = names.length - SHOWN_NAMES;
    const shown = names.slice(0, SHOWN_NAMES).join(", ");
    return more > 0 ? t("level.more_names", { names: shown, n: more }) : shown;
  }

  shortOf({ numbers, letter = "" }) {
    const [number] = numbers;
    return numbers.length > 1
      ? t("level.more_numbers", { number: String(number), n: numbers.length - 1 })
      : `${number}${letter}`;
  }

  // The heading of a card without its name.
  headingOf(key) {
    const type = this.types.get(key);
    if (this.isOwn || !type) return t("cluster.title", { number: String(key) });
    return t("cluster.title", { number: this.shortOf(type) });
  }

  titleOf(key) {
    return this.nameOf(key) || this.headingOf(key);
  }

  // What the card of a type shows; that of a cluster as it is in the run is the run's own.
  infoOf(key) {
    if (!this.infos.has(key)) this.infos.set(key, this.makeInfo(this.types.get(key)));
    return this.infos.get(key);
  }

  makeInfo(type) {
    const numbers = type.numbers ?? [...new Set(type.rows.map((row) => points.cluster[row]))];
    const own = clusters.get(numbers.find((number) => clusters.has(number)));
    const isWhole = numbers.length === 1 && own?.size === type.rows.length;
    if (isWhole) {
      const sites = describeRows(type.rows, points, LIMITS, own.medoid);
      return { ...own, key: type.key, sites: sites.sites, n_sites: sites.n_sites, isWhole };
    }
    const medoid = own && type.rows.includes(own.medoid) ? own.medoid : null;
    return {
      ...describeRows(type.rows, points, LIMITS, medoid),
      key: type.key,
      number: type.key,
      supercluster: own?.supercluster,
      share: type.rows.length / page.n,
      band: numbers.length === 1 ? (own?.band ?? null) : null,
      mean_image: null,
      n_averaged: 0,
      persistence: null,
      stability: null,
      nearest: (own?.nearest ?? []).filter(([number]) => !numbers.includes(number)),
      isWhole,
    };
  }

  // How an action on a type of another level changes the review: units, or leaves of one cluster.
  targetOf(key) {
    const type = this.types.get(key);
    if (this.isOwn) return { units: [key] };
    const whole = type.units.filter((unit) => unit >= 0);
    const size = whole.reduce((sum, unit) => sum + review.rows.get(unit).length, 0);
    return size > type.rows.length && whole.length === 1
      ? { units: whole, leaves: type.leaves }
      : { units: whole };
  }

  isRejected(key) {
    const units = this.types.get(key)?.units ?? [];
    return units.length > 0 && units.every((unit) => review.isRejected(unit));
  }
}

export const partition = new Partition();
