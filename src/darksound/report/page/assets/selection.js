// The tab of the selection: ROIs of a lasso, of the view, or marked one by one.

import { barChart } from "./charts.js";
import { clipGrid } from "./clips.js";
import { byId, make, showStatus } from "./elements.js";
import { t } from "./language.js";
import { media } from "./media.js";
import { partition } from "./partition.js";
import { review } from "./review.js";
import { section } from "./run_tab.js";
import { count } from "./values.js";

const MAX_CLIPS = 60;
const MAX_BARS = 12;

const marked = new Set();

// Mark a clip for a new group, or take its mark away.
export function markClip(row) {
  if (row === null) return showStatus(t("clip.none_selected"));
  if (!marked.delete(row)) marked.add(row);
  showSelectionTab([...marked]);
  showStatus(t("selection.marked", { n: marked.size }));
}

function actions(rows) {
  const setRejected = (isRejected) => () => {
    review.rejectClips(rows, isRejected);
    const rois = count("roi", rows.length);
    showStatus(t(isRejected ? "selection.rejected" : "selection.restored", { rois }));
  };
  const name = make("input", {
    "aria-label": t("selection.group_name"),
    placeholder: t("selection.group_name"),
    autocomplete: "off",
    list: "known-names",
    maxlength: 80,
  });
  const group = (event) => {
    event.preventDefault();
    if (!partition.isOwn) partition.setSize(partition.tree.ownSize);
    review.splitRows(rows, name.value);
    marked.clear();
    showStatus(t("selection.group_done", { rois: count("roi", rows.length) }));
  };
  return make(
    "form",
    { class: "bar", onsubmit: group },
    name,
    make("button", { type: "submit" }, t("selection.group")),
    make("span", { class: "spacer" }),
    make("button", { type: "button", onclick: setRejected(true) }, t("selection.reject_all")),
    make("button", { type: "button", onclick: setRejected(false) }, t("selection.restore_all")),
  );
}

// The name of the group of a ROI, or its number, or that it is noise.
export function groupTitle(row) {
  const key = partition.typeOf(row);
  return key === null ? t("colour.noise") : partition.titleOf(key);
}

function bars(rows) {
  const counts = new Map();
  for (const row of rows) counts.set(groupTitle(row), (counts.get(groupTitle(row)) ?? 0) + 1);
  const order = [...counts].sort((a, b) => b[1] - a[1]);
  const more = order.length - MAX_BARS;
  return [
    barChart(order.slice(0, MAX_BARS)),
    more > 0 ? make("p", { class: "muted" }, t("unit.more_cluster", { n: more })) : null,
  ];
}

// `about` has a text above the clips and `noteOf` a row; the clips are then in the order of the rows.
export function showSelectionTab(rows, { about = null, noteOf = null } = {}) {
  const view = byId("view-selection");
  byId("tab-selection").textContent = rows.length
    ? t("tab.selection_of", { n: rows.length })
    : t("tab.selection");
  if (!rows.length) {
    view.replaceChildren(section(t("selection.none"), make("p", {}, t("selection.none_about"))));
    return;
  }
  const selected = new Set(rows);
  const withSound = noteOf
    ? rows
    : [...media.order].filter((row) => selected.has(row)).slice(0, MAX_CLIPS);
  view.replaceChildren(
    section(
      count("roi", rows.length),
      about ? make("p", { class: "muted" }, about) : null,
      actions(rows),
      ...bars(rows),
    ),
    section(
      t("clip.clips"),
      withSound.length
        ? clipGrid(withSound, noteOf ?? groupTitle)
        : make("p", {}, t("selection.none_with_sound")),
      make("p", { class: "muted" }, t("selection.shown", { n: withSound.length })),
    ),
  );
}
