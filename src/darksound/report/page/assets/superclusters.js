// The coarser level: a section for each supercluster, which opens to the cards of its clusters.

import { clipGrid } from "./clips.js";
import { clusters, page, points } from "./data.js";
import { byId, make } from "./elements.js";
import { t } from "./language.js";
import { count, percent } from "./values.js";

export const superclusters = (() => {
  const OPEN_UP_TO = 12; // With at most this many clusters all sections are open at first.
  const MEDOIDS = 6; // Clips in a closed section.
  const isUsed = page.n_superclusters < page.n_clusters;
  const sections = new Map(); // by number
  let isFiltered = false;

  function create(number, members) {
    const rois = members.reduce((sum, info) => sum + info.size, 0);
    const medoids = members.slice(0, MEDOIDS).map((info) => info.medoid);
    const more = members.length - medoids.length;
    const toggle = make(
      "button",
      {
        type: "button",
        class: "disclosure",
        "aria-expanded": "false",
        "aria-controls": `supercluster-${number}`,
        onclick: () => setOpen(number, !sections.get(number).isShown),
      },
      t("level.supercluster", { number }),
    );
    const about = t("level.about", {
      clusters: count("cluster", members.length),
      rois: count("roi", rois),
      share: percent(rois / page.n),
    });
    const preview = make(
      "div",
      {},
      clipGrid(medoids, (row) => t("cluster.short", { number: points.cluster[row] })),
      more > 0 ? make("p", { class: "muted" }, t("unit.more_cluster", { n: more })) : null,
    );
    const body = make("div", { class: "cards", id: `supercluster-${number}`, hidden: true });
    const section = make(
      "section",
      { class: "supercluster", "aria-label": t("level.supercluster", { number }) },
      make("header", {}, make("h2", {}, toggle), make("span", { class: "size" }, about)),
      preview,
      body,
    );
    section.dataset.supercluster = number;
    return { section, toggle, preview, body, isOpen: false, isShown: false };
  }

  function update(entry) {
    const { section, toggle, preview, body } = entry;
    const hasCards = [...body.children].some((article) => !article.hidden);
    entry.isShown = isFiltered ? hasCards : entry.isOpen;
    section.hidden = isFiltered && !hasCards;
    body.hidden = !entry.isShown;
    preview.hidden = entry.isShown;
    toggle.setAttribute("aria-expanded", String(entry.isShown));
  }

  function updateAll() {
    sections.forEach(update);
    const allOpen = [...sections.values()].every((entry) => entry.isOpen);
    byId("open-all").textContent = t(allOpen ? "level.close_all" : "level.open_all");
  }

  function setOpen(number, isOpen) {
    sections.get(number).isOpen = isOpen;
    updateAll();
  }

  // Put cards, in the given order, into their sections; sections are in the order of their first
  // cards, or of their sizes.
  function arrange(articles, bySize) {
    if (!isUsed) return byId("cards").append(...articles);
    const order = new Set();
    for (const article of articles) {
      const number = clusters.get(Number(article.dataset.cluster)).supercluster;
      sections.get(number).body.append(article);
      order.add(number);
    }
    const numbers = bySize ? [...order].sort((a, b) => a - b) : [...order];
    byId("cards").append(...numbers.map((number) => sections.get(number).section));
  }

  // With a filter, sections with cards that it shows are open, and the others are hidden.
  function filtered(hasQuery) {
    isFiltered = hasQuery;
    updateAll();
  }

  function reveal(number) {
    if (isUsed) setOpen(clusters.get(number).supercluster, true);
  }

  function start() {
    if (!isUsed) return;
    for (const number of new Set(page.clusters.map((info) => info.supercluster))) {
      const members = page.clusters.filter((info) => info.supercluster === number);
      sections.set(number, create(number, members));
    }
    const button = byId("open-all");
    button.hidden = false;
    button.addEventListener("click", () => {
      const isOpen = [...sections.values()].some((entry) => !entry.isOpen);
      for (const entry of sections.values()) entry.isOpen = isOpen;
      updateAll();
    });
    for (const entry of sections.values()) entry.isOpen = page.n_clusters <= OPEN_UP_TO;
  }

  return { isUsed, start, arrange, filtered, reveal };
})();
