// What a person says of clusters: names, merges, rejections. Kept by the browser, saved as
// review.csv, and read back from it.

const review = (() => {
  const key = `darksound:review:${page.key}`;
  const changed = signal();
  const MOST_UNDONE = 50;
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
  let state = { names: {}, groups: {}, rejected: {}, clips: {} };
  let past = [];
  let kept = true;

  const groupOf = (cluster) => state.groups[cluster] ?? cluster;
  const membersOf = (group) =>
    page.clusters.map((card) => card.number).filter((c) => groupOf(c) === group);

  function change(act) {
    past.push(JSON.stringify(state));
    past = past.slice(-MOST_UNDONE);
    act();
    store();
  }

  function store() {
    kept = shelf.write(key, JSON.stringify(state));
    changed();
  }

  function touched(cluster, clipsIn) {
    const group = groupOf(cluster);
    return (
      Boolean(state.names[group]) ||
      group !== cluster ||
      Boolean(state.rejected[cluster]) ||
      membersOf(group).length > 1 ||
      clipsIn.has(cluster)
    );
  }

  function quoted(value) {
    const text = String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  function csv() {
    const clipsIn = new Set(Object.keys(state.clips).map((row) => points.cluster[row]));
    const those = new Set(
      page.clusters.map((card) => card.number).filter((c) => touched(c, clipsIn)),
    );
    const lines = [FIELDS.join(",")];
    for (let row = 0; row < page.n; row++) {
      const cluster = points.cluster[row];
      // Of noise there are the clips that were rejected, and no others: it is no group.
      if (cluster === NOISE ? !state.clips[row] : !those.has(cluster)) continue;
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
          isOut(row),
        ]
          .map(quoted)
          .join(","),
      );
    }
    return `${lines.join("\r\n")}\r\n`;
  }

  function isOut(row) {
    return Boolean(state.clips[row]) || Boolean(state.rejected[points.cluster[row]]);
  }

  // Rows of a CSV text as RFC 4180 has them.
  function parsed(text) {
    const rows = [[]];
    const field = /("(?:[^"]|"")*"|[^",\r\n]*)(,|\r\n|\n|\r|$)/y;
    const source = text.replace(/^\ufeff/, "");
    while (field.lastIndex < source.length) {
      const match = field.exec(source);
      if (!match) throw new Error("a quote is not closed");
      const raw = match[1];
      rows.at(-1).push(raw.startsWith('"') ? raw.slice(1, -1).replaceAll('""', '"') : raw);
      if (match[2] !== ",") rows.push([]);
    }
    return rows.filter((row) => row.length > 1);
  }

  function fromCsv(text) {
    const [head, ...body] = parsed(text);
    const at = Object.fromEntries(FIELDS.map((name) => [name, (head ?? []).indexOf(name)]));
    const missing = FIELDS.filter((name) => at[name] < 0 && name !== "recording");
    if (missing.length) throw new Error(`it lacks ${missing.join(", ")}`);
    const rowOf = new Map(page.ids.map((id, row) => [id, row]));
    const next = { names: {}, groups: {}, rejected: {}, clips: {} };
    const counts = new Map();
    for (const line of body) {
      const row = rowOf.get(line[at.roi_id]);
      if (row === undefined || points.cluster[row] !== Number(line[at.cluster])) {
        throw new Error("it is the review of another run");
      }
      const cluster = points.cluster[row],
        group = Number(line[at.group]);
      if (cluster !== NOISE) {
        if (!clusters.has(group)) throw new Error(`there is no cluster ${line[at.group]}`);
        if (group !== cluster) next.groups[cluster] = group;
        if (line[at.name]) next.names[group] = line[at.name];
      }
      if (line[at.rejected].toLowerCase() === "true") {
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
    const { state: next, rows } = fromCsv(text);
    change(() => {
      state = next;
    });
    return rows;
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

  // Take a cluster out of its group; the others keep the name, under the first of them.
  function part(cluster) {
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
    const found = JSON.parse(shelf.read(key));
    if (found && ["names", "groups", "rejected", "clips"].every((name) => found[name]))
      state = found;
    else if (page.review) state = fromCsv(page.review).state;
  } catch {
    // What is kept there is not ours; it is written anew at the next change.
  }

  return {
    changed,
    csv,
    load,
    groupOf,
    isOut,
    merge,
    part,
    get isKept() {
      return kept;
    },
    get canUndo() {
      return past.length > 0;
    },
    get touchedCount() {
      const clipsIn = new Set(Object.keys(state.clips).map((row) => points.cluster[row]));
      return page.clusters.filter((card) => touched(card.number, clipsIn)).length;
    },
    nameOf: (cluster) => state.names[groupOf(cluster)] ?? "",
    titleOf: (cluster) => state.names[groupOf(cluster)] || `Cluster ${groupOf(cluster)}`,
    mergedWith: (cluster) => membersOf(groupOf(cluster)).filter((member) => member !== cluster),
    isRejected: (cluster) => Boolean(state.rejected[cluster]),
    isClipRejected: (row) => Boolean(state.clips[row]),
    name(cluster, text) {
      const given = text.replace(/\s+/g, " ").trim();
      if (given !== this.nameOf(cluster))
        change(() => {
          state.names[groupOf(cluster)] = given;
        });
    },
    reject(cluster, out = !state.rejected[cluster]) {
      change(() => {
        if (out) state.rejected[cluster] = true;
        else delete state.rejected[cluster];
      });
    },
    rejectClips(rows, out) {
      change(() => {
        for (const row of rows)
          if (out) state.clips[row] = true;
          else delete state.clips[row];
      });
    },
    undo() {
      if (past.length) {
        state = JSON.parse(past.pop());
        store();
      }
    },
  };
})();

function download(name, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = make("a", { href: address, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

function startReview() {
  const show = () => {
    const count = review.touchedCount;
    byId("save").textContent = count ? `Save review.csv (${count})` : "Save review.csv";
    byId("undo").disabled = !review.canUndo;
  };
  review.changed.subscribe(show);
  review.changed.subscribe(() => {
    if (!review.isKept)
      announce("This browser keeps nothing for the page: save review.csv before you close it.");
  });
  show();
  byId("save").addEventListener("click", () => {
    download("review.csv", "text/csv;charset=utf-8", review.csv());
    announce(`review.csv saved: ${plural(review.touchedCount, "reviewed cluster")}.`);
  });
  byId("undo").addEventListener("click", () => review.undo());
  byId("load").addEventListener("click", () => byId("load-file").click());
  byId("load-file").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (!file) return;
    try {
      announce(`Read ${plural(review.load(await file.text()), "row")} of ${file.name}.`);
    } catch (error) {
      announce(`${file.name} cannot be used: ${error.message}.`);
    }
  });
}
