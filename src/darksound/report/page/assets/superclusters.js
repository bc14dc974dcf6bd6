// The coarser level: a section for each supercluster, which opens to the cards of its clusters.

import { clipGrid } from "./clips.js";
import { page } from "./data.js";
import { byId, make } from "./elements.js";
import { t } from "./language.js";
import { partition } from "./partition.js";
import { count, percent } from "./values.js";

export const superclusters = (() => {
  const OPEN_UP_TO = 12; // With at most this many cards all sections are open at first.
  const MEDOIDS = 6; // Clips in a closed section.
  const hasSuperclusters = page.n_superclusters < page.n_clusters;
  const sections = new Map(); // by number
  const opened = new Map(); // what was opened or closed by hand, by number
  let isFiltered = false;

  // Coarser levels are groups themselves.
  const isUsed = () => hasSuperclusters && partition.size >= partition.tree.ownSize;
  // What was split off or taken from noise is beside the cluster of its first ROI; -1 without one.
  const numberOf = (key) => partition.infoOf(key).supercluster ?? -1;

  function create(number, keys) {
    const infos = keys.map((key) => partition.infoOf(key)).sort((a, b) => b.size - a.size);
    const rois = infos.reduce((sum, info) => sum + info.size, 0);
    const medoids = infos.slice(0, MEDOIDS).map((info) => info.medoid);
    const more = infos.length - medoids.length;
    const title = number < 0 ? t("level.others") : t("level.supercluster", { number });
    const toggle = make(
      "button",
      {
        type: "button",
        class: "disclosure",
        "aria-expanded": "false",
        "aria-controls": `supercluster-${number}`,
        onclick: () => setOpen(number, !sections.get(number).isShown),
      },
      title,
    );
    const about = t("level.about", {
      clusters: count("cluster", infos.length),
      rois: count("roi", rois),
      share: percent(rois / page.n),
    });
    const preview = make(
      "div",
      {},
      clipGrid(medoids, (row) => partition.headingOf(partition.typeOf(row)).toLowerCase()),
      more > 0 ? make("p", { class: "muted" }, t("unit.more_cluster", { n: more })) : null,
    );
    const body = make("div", { class: "cards", id: `supercluster-${number}`, hidden: true });
    const section = make(
      "section",
      { class: "supercluster", "aria-label": title },
      make("header", {}, make("h2", {}, toggle), make("span", { class: "size" }, about)),
      preview,
      body,
    );
    section.dataset.supercluster = number;
    return { section, toggle, preview, body, isShown: false };
  }

  function isOpen(number) {
    return opened.get(number) ?? partition.types.size <= OPEN_UP_TO;
  }

  function update(entry, number) {
    const { section, toggle, preview, body } = entry;
    const hasCards = [...body.children].some((article) => !article.hidden);
    entry.isShown = isFiltered ? hasCards : isOpen(number);
    section.hidden = isFiltered && !hasCards;
    body.hidden = !entry.isShown;
    preview.hidden = entry.isShown;
    toggle.setAttribute("aria-expanded", String(entry.isShown));
  }

  function updateAll() {
    sections.forEach(update);
    const areOpen = [...sections.keys()].every(isOpen);
    byId("open-all").textContent = t(areOpen ? "level.close_all" : "level.open_all");
    byId("open-all").hidden = !sections.size;
  }

  function setOpen(number, open) {
    opened.set(number, open);
    updateAll();
  }

  // Put cards, in the given order, into their sections; sections are in the order of their first
  // cards, or of their sizes.
  function arrange(articles, bySize) {
    if (!sections.size) return byId("cards").append(...articles);
    const order = new Set();
    for (const article of articles) {
      const number = numberOf(Number(article.dataset.cluster));
      sections.get(number).body.append(article);
      order.add(number);
    }
    const numbers = bySize ? [...order].sort((a, b) => (a < 0) - (b < 0) || a - b) : [...order];
    byId("cards").append(...numbers.map((number) => sections.get(number).section));
    updateAll();
  }

  // With a filter, sections with cards that it shows are open, and the others are hidden.
  function filtered(hasQuery) {
    isFiltered = hasQuery;
    updateAll();
  }

  function reveal(key) {
    if (sections.size) setOpen(numberOf(key), true);
  }

  // Make the sections of the cards that there are now.
  function rebuild() {
    for (const { section } of sections.values()) section.remove();
    sections.clear();
    if (isUsed()) {
      const members = new Map();
      for (const key of partition.types.keys()) {
        const number = numberOf(key);
        members.set(number, [...(members.get(number) ?? []), key]);
      }
      for (const [number, keys] of members) sections.set(number, create(number, keys));
    }
    updateAll();
  }

  function start() {
    byId("open-all").addEventListener("click", () => {
      const open = ![...sections.keys()].every(isOpen);
      for (const number of sections.keys()) opened.set(number, open);
      updateAll();
    });
  }

  return { hasSuperclusters, start, arrange, filtered, reveal, rebuild };
})();
