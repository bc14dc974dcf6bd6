// Builds the page.

import { startActivity } from "./activity.js";
import { cards } from "./cards.js";
import { player } from "./clips.js";
import { startColouring } from "./colouring.js";
import { startTheme, themeChanged } from "./colours.js";
import { NOISE, page, points, shareOf } from "./data.js";
import { byId, make, showStatus, startDialogs } from "./elements.js";
import { startFirstView } from "./first_view.js";
import { startGestures } from "./gestures.js";
import { startKeys } from "./keys.js";
import { decimal, fillTexts, startLanguage, t } from "./language.js";
import { startLevels } from "./level_view.js";
import { RoiMap } from "./map.js";
import { media, thumbnail } from "./media.js";
import { partition } from "./partition.js";
import { review, startReview } from "./review.js";
import { showNoiseTab, showRunTab } from "./run_tab.js";
import { showSelectionTab } from "./selection.js";
import { startSimilar } from "./similar.js";
import { superclusters } from "./superclusters.js";
import { showTab, startTabs } from "./tabs.js";
import { count, percent, recordingOf, timesOf } from "./values.js";
import { startVerify } from "./verify.js";
import { startWords } from "./words.js";

function hoverBox(map) {
  const box = byId("hover");
  let shownRow = null;
  return (row, x, y) => {
    box.hidden = row === null;
    map.canvas.style.cursor = row === null ? "" : "pointer";
    if (row === null) {
      shownRow = null;
      return;
    }
    if (row !== shownRow) {
      const unit = review.units[row];
      const title =
        unit === NOISE
          ? t("colour.noise")
          : t("map.hover", {
              title: partition.titleOf(partition.typeOf(row)),
              probability: decimal(shareOf(points.probability[row]), 2),
            });
      box.replaceChildren(
        thumbnail(row, true),
        make("p", {}, title),
        make("p", { class: "source" }, recordingOf(row)),
        make("p", { class: "source" }, timesOf(row)),
      );
      shownRow = row;
    }
    const stage = byId("stage").getBoundingClientRect();
    box.style.left = `${Math.max(4, Math.min(x + 16, stage.width - box.offsetWidth - 4))}px`;
    box.style.top = `${y + box.offsetHeight + 24 > stage.height ? Math.max(4, y - box.offsetHeight - 12) : y + 16}px`;
  };
}

// Counts of what is left after the review, at the level that is shown.
function showSummary() {
  const { of, groups } = partition.groups;
  const covered = of.reduce((sum, key) => sum + (key >= 0 ? 1 : 0), 0);
  const rejected = review.counts().rejected;
  byId("summary").textContent = [
    count("roi", page.n),
    count(partition.isOwn ? "cluster" : "group", groups.size),
    ...(superclusters.hasSuperclusters ? [count("supercluster", page.n_superclusters)] : []),
    t("summary.covered", { share: percent(page.n ? covered / page.n : 0) }),
    ...(rejected ? [t("summary.rejected", { n: rejected })] : []),
    count("recording", page.n_recordings),
    t("summary.kept", { number: page.kept }),
    media.count < page.n ? t("summary.some_sound", { n: media.count }) : t("summary.all_sound"),
  ].join(" · ");
}

function start() {
  fillTexts();
  startLanguage();
  startTheme();
  byId("map-method").textContent = page.map_title
    ? t("map.method", { method: page.map_title })
    : "";
  showSummary();
  partition.changed.subscribe(showSummary);
  const map = new RoiMap(byId("map"));
  const colouring = startColouring(map);
  const isolate = (key) => {
    const group = partition.isOwn ? review.groupOf(key) : key;
    colouring.focusOn(map.focus === group ? null : group);
  };
  byId("map").setAttribute(
    "aria-label",
    t("map.description", {
      rois: count("roi", page.n),
      clusters: count("cluster", page.n_clusters),
    }),
  );
  startGestures(map, {
    hover: hoverBox(map),
    choose: (row) => {
      player.play(row);
      cards.scrollTo(row);
    },
    select: (rows) => {
      showSelectionTab(rows);
      showTab("selection");
      showStatus(t("map.selected", { rois: count("roi", rows.length) }));
    },
  });
  player.start();
  player.chosen.subscribe((row) => {
    map.current = row;
    map.scrollTo(row);
  });
  cards.start();
  startReview();
  startTabs();
  startSimilar();
  startActivity();
  showSelectionTab([]);
  showNoiseTab();
  showRunTab();
  themeChanged.subscribe(showRunTab);
  cards.currentChanged.subscribe((key) => {
    if (player.current === null || partition.typeOf(player.current) !== key)
      player.choose(partition.infoOf(key).medoid);
  });
  cards.isolated.subscribe(isolate);
  startFirstView();
  startLevels();
  startVerify();
  startWords();
  startDialogs();
  byId("print").addEventListener("click", () => print());
  startKeys({ isolate });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") colouring.reset();
  });
}

start();
