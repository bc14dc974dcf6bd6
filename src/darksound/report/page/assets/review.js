// The review of clusters: names, merges, rejections. The browser stores it; it can be saved as
// review.csv and loaded from there.

import { NOISE, clusters, page, points } from "./data.js";
import { byId, createEvent, make, showStatus, storage } from "./elements.js";
import { t } from "./language.js";
import { count, recordingOf } from "./values.js";

export const review = (() => {
  const key = `darksound:review:${page.key}`;
  const changed = createEvent();
  const MAX_UNDO = 50;
  const FIELDS = [
    "roi_id",
    "recording",
    "start_s",
    "end_s",
    "cluster",
    "group",
    "name",
    "rejected",
  ];
  // Text that a spreadsheet takes for a formula gets an apostrophe (darksound.rois.spreadsheets).
  const ESCAPABLE = /^'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;
  const ESCAPED = /^'+[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;
  let state = { names: {}, groups: {}, rejected: {}, clips: {} };
  let undoStack = [];
  let isStored = true;

  const groupOf = (cluster) => state.groups[cluster] ?? cluster;
  const membersOf = (group) =>
    page.clusters.map((info) => info.number).filter((c) => groupOf(c) === group);

  function change(act) {
    undoStack.push(JSON.stringify(state));
    undoStack = undoStack.slice(-MAX_UNDO);
    act();
    store();
  }

  function store() {
    isStored = storage.write(key, JSON.stringify(state));
    changed();
  }

  function isReviewed(cluster, withRejectedClips) {
    const group = groupOf(cluster);
    return (
      Boolean(state.names[group]) ||
      group !== cluster ||
      Boolean(state.rejected[cluster]) ||
      membersOf(group).length > 1 ||
      withRejectedClips.has(cluster)
    );
  }

  function quote(value) {
    const text = typeof value === "string" && ESCAPABLE.test(value) ? `'${value}` : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  function reviewedClusters() {
    const withRejectedClips = new Set(Object.keys(state.clips).map((row) => points.cluster[row]));
    return page.clusters
      .map((info) => info.number)
      .filter((cluster) => isReviewed(cluster, withRejectedClips));
  }

  function csv() {
    const reviewed = new Set(reviewedClusters());
    const lines = [FIELDS.join(",")];
    for (let row = 0; row < page.n; row++) {
      const cluster = points.cluster[row];
      // Noise is not a group: only its rejected clips are listed.
      if (cluster === NOISE ? !state.clips[row] : !reviewed.has(cluster)) continue;
      const group = groupOf(cluster);
      lines.push(
        [
          page.ids[row],
          recordingOf(row),
          points.start_s[row],
          points.end_s[row],
          cluster,
          group,
          state.names[group] ?? "",
          isRoiRejected(row),
        ]
          .map(quote)
          .join(","),
      );
    }
    return `${lines.join("\r\n")}\r\n`;
  }

  function isRoiRejected(row) {
    return Boolean(state.clips[row]) || Boolean(state.rejected[points.cluster[row]]);
  }

  // Rows of a CSV text (RFC 4180).
  function parseCsv(text) {
    const rows = [[]];
    const field = /("(?:[^"]|"")*"|[^",\r\n]*)(,|\r\n|\n|\r|$)/y;
    const source = text.replace(/^\ufeff/, "");
    while (field.lastIndex < source.length) {
      const match = field.exec(source);
      if (!match) throw new Error(t("review.open_quote"));
      const raw = match[1];
      const cell = raw.startsWith('"') ? raw.slice(1, -1).replaceAll('""', '"') : raw;
      rows.at(-1).push(ESCAPED.test(cell) ? cell.slice(1) : cell);
      if (match[2] !== ",") rows.push([]);
    }
    return rows.filter((row) => row.length > 1);
  }

  function fromCsv(text) {
    const [header, ...body] = parseCsv(text);
    const columnOf = Object.fromEntries(FIELDS.map((name) => [name, (header ?? []).indexOf(name)]));
    const missing = FIELDS.filter((name) => columnOf[name] < 0 && name !== "recording");
    if (missing.length) throw new Error(t("review.missing_columns", { columns: missing.join(", ") }));
    const rowOf = new Map(page.ids.map((id, row) => [id, row]));
    const next = { names: {}, groups: {}, rejected: {}, clips: {} };
    const counts = new Map();
    for (const line of body) {
      const row = rowOf.get(line[columnOf.roi_id]);
      if (row === undefined || points.cluster[row] !== Number(line[columnOf.cluster])) {
        throw new Error(t("review.other_run"));
      }
      const cluster = points.cluster[row],
        group = Number(line[columnOf.group]);
      if (cluster !== NOISE) {
        if (!clusters.has(group)) throw new Error(t("review.no_cluster", { cluster: line[columnOf.group] }));
        if (group !== cluster) next.groups[cluster] = group;
        if (line[columnOf.name]) next.names[group] = line[columnOf.name];
      }
      if (line[columnOf.rejected].toLowerCase() === "true") {
        next.clips[row] = true;
        counts.set(cluster, (counts.get(cluster) ?? 0) + 1);
      }
    }
    for (const [cluster, count] of counts) {
      if (cluster === NOISE || count < clusters.get(cluster).size) continue;
      next.rejected[cluster] = true;
      for (const row of Object.keys(next.clips))
        if (points.cluster[row] === cluster) delete next.clips[row];
    }
    return { state: next, rows: body.length };
  }

  function load(text) {
    const loaded = fromCsv(text);
    change(() => {
      state = loaded.state;
    });
    return loaded.rows;
  }

  function merge(cluster, into) {
    const from = groupOf(cluster),
      to = groupOf(into);
    if (from === to) return;
    change(() => {
      for (const member of membersOf(from)) state.groups[member] = to;
      state.names[to] ||= state.names[from] ?? "";
      delete state.names[from];
    });
  }

  // Remove a cluster from its group; the others keep the name, under the first of them.
  function unmerge(cluster) {
    change(() => {
      const [group, others] = [groupOf(cluster), review.mergedWith(cluster)];
      delete state.groups[cluster];
      if (group !== cluster) return;
      for (const member of others) state.groups[member] = others[0];
      delete state.groups[others[0]];
      if (state.names[group]) state.names[others[0]] = state.names[group];
      delete state.names[group];
    });
  }

  try {
    const stored = JSON.parse(storage.read(key));
    if (stored && ["names", "groups", "rejected", "clips"].every((name) => stored[name]))
      state = stored;
    else if (page.review) state = fromCsv(page.review).state;
  } catch {
    // The stored text is not a review; the next change replaces it.
  }

  return {
    changed,
    csv,
    load,
    groupOf,
    isRoiRejected,
    merge,
    unmerge,
    get isStored() {
      return isStored;
    },
    get canUndo() {
      return undoStack.length > 0;
    },
    get reviewedCount() {
      return reviewedClusters().length;
    },
    nameOf: (cluster) => state.names[groupOf(cluster)] ?? "",
    titleOf: (cluster) => state.names[groupOf(cluster)] || t("cluster.title", { number: groupOf(cluster) }),
    mergedWith: (cluster) => membersOf(groupOf(cluster)).filter((member) => member !== cluster),
    isRejected: (cluster) => Boolean(state.rejected[cluster]),
    isClipRejected: (row) => Boolean(state.clips[row]),
    name(cluster, text) {
      const entered = text.replace(/\s+/g, " ").trim();
      if (entered !== this.nameOf(cluster))
        change(() => {
          state.names[groupOf(cluster)] = entered;
        });
    },
    reject(cluster, rejected = !state.rejected[cluster]) {
      change(() => {
        if (rejected) state.rejected[cluster] = true;
        else delete state.rejected[cluster];
      });
    },
    rejectClips(rows, rejected) {
      change(() => {
        for (const row of rows)
          if (rejected) state.clips[row] = true;
          else delete state.clips[row];
      });
    },
    undo() {
      if (undoStack.length) {
        state = JSON.parse(undoStack.pop());
        store();
      }
    },
  };
})();

function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = make("a", { href: url, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

export function startReview() {
  const show = () => {
    const n = review.reviewedCount;
    byId("save").textContent = n ? t("review.save_count", { n }) : t("review.save");
    byId("undo").disabled = !review.canUndo;
  };
  review.changed.subscribe(show);
  review.changed.subscribe(() => {
    if (!review.isStored)
      showStatus(t("review.not_stored"));
  });
  show();
  byId("save").addEventListener("click", () => {
    download("review.csv", "text/csv;charset=utf-8", review.csv());
    showStatus(t("review.saved", { n: review.reviewedCount }));
  });
  byId("undo").addEventListener("click", () => review.undo());
  byId("load").addEventListener("click", () => byId("load-file").click());
  byId("load-file").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (!file) return;
    try {
      const rows = count("row", review.load(await file.text()));
      showStatus(t("review.loaded", { rows, file: file.name }));
    } catch (error) {
      showStatus(t("review.unusable", { file: file.name, cause: error.message }));
    }
  });
}
