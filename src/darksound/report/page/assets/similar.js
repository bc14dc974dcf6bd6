// "More like this": the clips that are most similar to a clip, in the tab of the selection.

import { player, similarWanted } from "./clips.js";
import { asArray, page } from "./data.js";
import { byId, showStatus } from "./elements.js";
import { decimal, t } from "./language.js";
import { media } from "./media.js";
import { createNearest } from "./nearest.js";
import { groupTitle, showSelectionTab } from "./selection.js";
import { showTab } from "./tabs.js";

const nearestClips = createNearest(
  {
    count: page.similar.count,
    index: asArray(page.similar.index),
    distance: asArray(page.similar.distance),
  },
  media.order,
);

// Show the clips that are most similar to a ROI, or why there are none.
export function showSimilar(row) {
  const found = row === null ? [] : nearestClips(row);
  if (!found.length) return showStatus(t(row === null ? "clip.none_selected" : "similar.none"));
  const distances = new Map(found.map((each) => [each.row, each.distance]));
  const rows = [row, ...distances.keys()];
  const noteOf = (other) => {
    if (other === row) return t("similar.this");
    return t("similar.near", {
      title: groupTitle(other),
      value: decimal(distances.get(other), 2),
    });
  };
  showSelectionTab(rows, { about: t("similar.about"), noteOf });
  showTab("selection");
  player.choose(row, rows);
}

export function startSimilar() {
  byId("similar").disabled = !page.similar.count;
  byId("similar").addEventListener("click", () => showSimilar(player.current));
  similarWanted.subscribe(showSimilar);
}
