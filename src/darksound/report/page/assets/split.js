// The dialog to split a unit by its branch of the tree.

import { cards } from "./cards.js";
import { clipGrid } from "./clips.js";
import { points } from "./data.js";
import { byId, make, showStatus } from "./elements.js";
import { t } from "./language.js";
import { media } from "./media.js";
import { partition } from "./partition.js";
import { review } from "./review.js";
import { cutBranch } from "./tree.js";
import { count } from "./values.js";

const PART_CLIPS = 4;

function mostProbable(rows) {
  return [...rows]
    .sort((a, b) => media.has(b) - media.has(a) || points.probability[b] - points.probability[a])
    .slice(0, PART_CLIPS);
}

export function openSplit(unit) {
  const dialog = byId("split");
  const rows = review.rows.get(unit) ?? [];
  const rowsOf = new Map();
  for (const row of rows) {
    const leaf = points.leaf[row];
    if (leaf < 0 || review.state.rows[row] !== undefined) continue;
    if (!rowsOf.has(leaf)) rowsOf.set(leaf, []);
    rowsOf.get(leaf).push(row);
  }
  const leaves = [...rowsOf.keys()];
  if (leaves.length < 2) return showStatus(t("split.none"));
  const title = review.titleOf(unit);
  const number = byId("split-number");
  let parts = [];
  byId("split-title").textContent = t("split.title", { title });
  number.replaceChildren(
    ...leaves.slice(1).map((_, i) => make("option", { value: i + 2 }, String(i + 2))),
  );
  const show = () => {
    const size = (leaf) => rowsOf.get(leaf).length;
    parts = cutBranch(partition.tree, leaves, Number(number.value), size);
    byId("split-parts").replaceChildren(
      ...parts.map((part, i) => {
        const members = part.flatMap((leaf) => rowsOf.get(leaf));
        const heading = t("split.part", { number: i + 1, rois: count("roi", members.length) });
        return make("div", {}, make("h3", {}, heading), clipGrid(mostProbable(members)));
      }),
    );
  };
  number.onchange = show;
  show();
  dialog.returnValue = "";
  dialog.onclose = () => {
    if (dialog.returnValue === "split") {
      // The largest part keeps the number and the name.
      review.split(parts.slice(1));
      showStatus(t("split.done", { title, n: parts.length }));
    }
    cards.show(unit);
  };
  dialog.showModal();
  number.focus();
}
