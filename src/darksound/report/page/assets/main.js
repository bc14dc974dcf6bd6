// Builds the page.

const TABS = ["clusters", "noise", "selection", "run"];

function showTab(name, focus = false) {
  for (const tab of TABS) {
    const button = byId(`tab-${tab}`);
    button.setAttribute("aria-selected", String(tab === name));
    button.tabIndex = tab === name ? 0 : -1;
    byId(`view-${tab}`).hidden = tab !== name;
  }
  if (focus) byId(`tab-${name}`).focus();
}

function startTabs() {
  byId("tab-clusters").textContent = `Clusters (${page.n_clusters})`;
  byId("tab-noise").textContent = `Noise (${page.noise.size.toLocaleString("en")})`;
  TABS.forEach((tab, i) => {
    const button = byId(`tab-${tab}`);
    button.addEventListener("click", () => showTab(tab));
    button.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const ends = { Home: 0, End: TABS.length - 1 }[event.key];
      if (by === undefined && ends === undefined) return;
      event.preventDefault();
      showTab(TABS[ends ?? (i + by + TABS.length) % TABS.length], true);
    });
  });
}

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
          ? "noise"
          : `${review.titleOf(cluster)}, p ${shareOf(points.probability[row]).toFixed(2)}`;
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
  startTheme();
  byId("summary").textContent = [
    plural(page.n, "ROI"),
    plural(page.n_clusters, "cluster"),
    ...(superclusters.isUsed ? [plural(page.n_superclusters, "supercluster")] : []),
    `${percent(page.coverage)} covered`,
    plural(page.n_recordings, "recording"),
    `iteration ${page.kept} kept`,
    media.count < page.n ? `${media.count.toLocaleString("en")} with sound` : "all with sound",
  ].join(" · ");
  const map = new RoiMap(byId("map"));
  const colouring = startColouring(map);
  byId("map").setAttribute(
    "aria-label",
    `Map of ${plural(page.n, "ROI")} in ${plural(page.n_clusters, "cluster")}; similar sounds are near each other`,
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
      showStatus(`${plural(rows.length, "ROI")} selected.`);
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
