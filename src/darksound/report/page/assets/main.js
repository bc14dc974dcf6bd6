// Builds the page.

import { cards } from "./cards.js";
import { player } from "./clips.js";
import { startColouring } from "./colouring.js";
import { startTheme, themeChanged } from "./colours.js";
import { NOISE, clusters, page, points, shareOf } from "./data.js";
import { byId, make, showStatus } from "./elements.js";
import { startGestures } from "./gestures.js";
import { startKeys } from "./keys.js";
import { decimal, fillTexts, startLanguage, t } from "./language.js";
import { RoiMap } from "./map.js";
import { media, thumbnail } from "./media.js";
import { review, startReview } from "./review.js";
import { showNoiseTab, showRunTab, showSelectionTab } from "./run_tab.js";
import { superclusters } from "./superclusters.js";
import { startTabs, showTab } from "./tabs.js";
import { count, percent, recordingOf, timesOf } from "./values.js";

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
      const cluster = points.cluster[row];
      const title =
        cluster === NOISE
          ? t("colour.noise")
          : t("map.hover", {
              title: review.titleOf(cluster),
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

function start() {
  fillTexts();
  startLanguage();
  startTheme();
  byId("map-method").textContent = page.map_title
    ? t("map.method", { method: page.map_title })
    : "";
  byId("summary").textContent = [
    count("roi", page.n),
    count("cluster", page.n_clusters),
    ...(superclusters.isUsed ? [count("supercluster", page.n_superclusters)] : []),
    t("summary.covered", { share: percent(page.coverage) }),
    count("recording", page.n_recordings),
    t("summary.kept", { number: page.kept }),
    media.count < page.n ? t("summary.some_sound", { n: media.count }) : t("summary.all_sound"),
  ].join(" · ");
  const map = new RoiMap(byId("map"));
  const colouring = startColouring(map);
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
      cards.scrollTo(points.cluster[row]);
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
  showSelectionTab([]);
  showNoiseTab();
  showRunTab();
  themeChanged.subscribe(showRunTab);
  cards.currentChanged.subscribe((number) => {
    if (player.current === null || points.cluster[player.current] !== number)
      player.choose(clusters.get(number).medoid);
  });
  startKeys();
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") colouring.reset();
  });
}

start();
