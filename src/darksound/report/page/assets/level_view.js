// The slider of levels, and the tree of the groups as a dendrogram with medoid spectrograms.

import { cards } from "./cards.js";
import { clipButton } from "./clips.js";
import { byId, draw, make } from "./elements.js";
import { t } from "./language.js";
import { partition } from "./partition.js";
import { clusters } from "./data.js";

const MOST_ROWS = 60;
const ROW = 44;
const WIDTH = 150;
const MARGIN = 6;

function rowOf(node) {
  const key = partition.isOwn ? ownKey(node) : keyOfNode(node);
  if (!partition.types.has(key)) return make("li", {});
  return make(
    "li",
    {},
    clipButton(partition.infoOf(key).medoid, ""),
    make(
      "button",
      { type: "button", class: "link", onclick: () => cards.show(key) },
      partition.titleOf(key),
    ),
  );
}

// The cluster of a node of the cut that the run has.
function ownKey(node) {
  const [leaf] = partition.tree.leavesOf(node);
  return partition.tree.clusterOfLeaf[leaf];
}

function keyOfNode(node) {
  const leaves = new Set(partition.tree.leavesOf(node));
  for (const type of partition.types.values()) if (leaves.has(type.leaves[0])) return type.key;
  return null;
}

function lines({ rows, joins }) {
  const highest = Math.max(1e-9, ...joins.map((join) => join.height));
  const x = (height) => WIDTH - MARGIN - (height / highest) * (WIDTH - 2 * MARGIN);
  const y = (position) => (position + 0.5) * ROW;
  const chart = draw("svg", {
    viewBox: `0 0 ${WIDTH} ${rows.length * ROW}`,
    width: WIDTH,
    height: rows.length * ROW,
    role: "img",
    class: "dendrogram",
    "aria-label": t("level.tree_chart", { n: rows.length }),
  });
  for (const { first, second, height, heights } of joins) {
    const [a, b] = heights;
    const path = `M${x(a)} ${y(first)}H${x(height)}V${y(second)}H${x(b)}`;
    chart.append(draw("path", { class: "axis", d: path }));
  }
  return chart;
}

function showTree() {
  const view = byId("tree-view");
  if (!byId("tree").open) return;
  if (partition.size > MOST_ROWS || !clusters.size) {
    view.replaceChildren(make("p", { class: "muted" }, t("level.tree_many", { n: MOST_ROWS })));
    return;
  }
  const dendrogram = partition.tree.dendrogram(partition.size);
  view.replaceChildren(
    make("p", { class: "muted" }, t("level.tree_about")),
    make("div", { class: "tree" }, make("ol", {}, dendrogram.rows.map(rowOf)), lines(dendrogram)),
  );
}

export function startLevels() {
  const slider = byId("granularity");
  const { tree } = partition;
  byId("levels").hidden = tree.leaves < 2;
  Object.assign(slider, { min: Math.min(2, tree.leaves), max: tree.leaves, step: 1 });
  const show = () => {
    slider.value = partition.size;
    const n = partition.isOwn ? partition.groups.groups.size : partition.size;
    byId("level-now").textContent = partition.isOwn ? t("level.own", { n }) : t("level.now", { n });
    slider.setAttribute("aria-valuetext", byId("level-now").textContent);
    byId("level-own").disabled = partition.isOwn;
    byId("level-about").hidden = partition.isOwn;
    showTree();
  };
  // Many steps in one frame are one.
  let isWaiting = false;
  slider.addEventListener("input", () => {
    if (isWaiting) return;
    isWaiting = true;
    requestAnimationFrame(() => {
      isWaiting = false;
      partition.setSize(Number(slider.value));
    });
  });
  byId("level-own").addEventListener("click", () => partition.setSize(tree.ownSize));
  byId("tree").addEventListener("toggle", showTree);
  partition.changed.subscribe(show);
  show();
}
