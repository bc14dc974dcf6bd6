// The list of cards. A card has its content while it is near the visible part, so that thousands of
// them stay quick.

import { createBody, createHeader } from "./card.js";
import { compareCallTypes, startCallTypes } from "./call_types.js";
import { player, updateClips } from "./clips.js";
import { themeChanged } from "./colours.js";
import { page } from "./data.js";
import { byId, createEvent, make, showStatus } from "./elements.js";
import { language, t } from "./language.js";
import { partition } from "./partition.js";
import { review } from "./review.js";
import { superclusters } from "./superclusters.js";
import { showTab } from "./tabs.js";

const FILLED_AT_FIRST = 6;
// Up to so many cards keep their content.
const FEW_CARDS = 60;
const NEAR = "900px";

export const cards = (() => {
  const entries = new Map(); // by key of the type
  const currentChanged = createEvent();
  const isolated = createEvent();
  let current = null;
  let query = "";
  const info = (key) => partition.infoOf(key);
  const SORTS = {
    size: (a, b) => info(b).size - info(a).size || a - b,
    call_type: (a, b) => compareCallTypes(a, b) || SORTS.size(a, b),
    name: (a, b) =>
      partition.titleOf(a).localeCompare(partition.titleOf(b), language, { numeric: true }) ||
      a - b,
    persistence: (a, b) => (info(b).persistence ?? 0) - (info(a).persistence ?? 0),
    stability: (a, b) => (info(a).stability ?? 1) - (info(b).stability ?? 1),
    probability: (a, b) => info(a).probability - info(b).probability,
    low: (a, b) => (info(a).band?.low_hz ?? 0) - (info(b).band?.low_hz ?? 0),
    recordings: (a, b) => info(a).n_recordings - info(b).n_recordings || SORTS.size(a, b),
  };
  const hasFigure = (name) => page.clusters.some((each) => each[name] !== null);

  const observer = new IntersectionObserver(
    (changes) => {
      for (const change of changes) {
        const entry = entries.get(Number(change.target.dataset.cluster));
        if (entry?.article !== change.target) continue;
        if (change.isIntersecting) fill(entry);
        else empty(entry);
      }
    },
    // The second margin is that of the panel, which scrolls in wide windows.
    { rootMargin: NEAR, scrollMargin: NEAR },
  );

  function create(key) {
    const article = make("article", {
      class: "card",
      tabindex: "-1",
      "aria-label": partition.headingOf(key),
      onfocusin: () => {
        if (current !== key) setCurrent(key);
      },
    });
    article.dataset.cluster = key;
    return { key, article, parts: null };
  }

  function fill(entry) {
    if (entry.parts) return;
    const { key, article } = entry;
    entry.parts = createHeader(key, { focus, isolate: isolated });
    article.replaceChildren(
      entry.parts.header,
      make("div", { class: "body" }, createBody(key, show)),
    );
    entry.parts.update(article);
    updateClips();
  }

  // Keep the height of a card that leaves, so that the others do not move.
  function empty(entry) {
    if (entries.size <= FEW_CARDS || !entry.parts) return;
    if (entry.article.contains(document.activeElement)) return;
    if (entry.key === current || entry.article.hidden || !entry.article.offsetHeight) return;
    entry.article.style.minHeight = `${entry.article.offsetHeight}px`;
    entry.article.replaceChildren();
    entry.parts = null;
  }

  function setCurrent(key) {
    if (current !== null) entries.get(current)?.article.classList.remove("current");
    current = key;
    entries.get(key)?.article.classList.add("current");
    currentChanged(key);
  }

  function focus(key) {
    const { article } = entries.get(key);
    article.focus({ preventScroll: true });
    article.scrollIntoView({ block: "nearest" });
  }

  function reveal(key) {
    superclusters.reveal(key);
    fill(entries.get(key));
  }

  function show(key) {
    showTab("clusters");
    const entry = entries.get(key);
    if (!entry) return;
    if (entry.article.hidden) {
      byId("find").value = "";
      filter();
    }
    reveal(key);
    setCurrent(key);
    focus(key);
  }

  // Show the card of a ROI that was clicked on the map, where cards scroll beside the map.
  function scrollTo(row) {
    const key = partition.typeOf(row);
    if (key === null || !entries.has(key) || !matchMedia("(min-width: 1000px)").matches) return;
    reveal(key);
    entries.get(key).article.scrollIntoView({ block: "nearest" });
  }

  function step(by) {
    const visible = [...byId("cards").querySelectorAll("article.card")]
      .filter((article) => !article.hidden)
      .map((article) => Number(article.dataset.cluster));
    if (!visible.length) return showStatus(t("cluster.none_visible"));
    const index = visible.indexOf(current);
    show(visible[index < 0 ? 0 : Math.min(Math.max(index + by, 0), visible.length - 1)]);
  }

  function sort() {
    const sorted = [...entries.keys()].sort(SORTS[byId("sort").value]);
    superclusters.arrange(
      sorted.map((key) => entries.get(key).article),
      byId("sort").value === "size",
    );
  }

  function wordsOf(key) {
    const number = partition.isOwn ? String(key) : partition.shortOf(partition.types.get(key));
    return [
      number,
      t("cluster.short", { number }),
      partition.nameOf(key),
      ...info(key).labels.map(([code]) => page.names.label[code]),
    ];
  }

  function filter() {
    query = byId("find").value.trim().toLowerCase();
    const isFound = (text) =>
      text === query || (query.length > 2 && text.toLowerCase().includes(query));
    for (const { key, article } of entries.values())
      article.hidden = Boolean(query) && !wordsOf(key).some(isFound);
    superclusters.filtered(Boolean(query));
  }

  // Make the cards of the types that there are now.
  function rebuild() {
    const keys = [...partition.types.keys()];
    const isSame = keys.length === entries.size && keys.every((key) => entries.has(key));
    if (!isSame) {
      for (const [key, { article }] of entries) {
        if (partition.types.has(key)) continue;
        observer.unobserve(article);
        article.remove();
        entries.delete(key);
      }
      for (const key of keys) if (!entries.has(key)) entries.set(key, create(key));
      if (!entries.has(current)) current = null;
      superclusters.rebuild();
      sort();
      filter();
      for (const { article } of entries.values()) observer.observe(article);
      [...byId("cards").querySelectorAll("article.card")]
        .slice(0, FILLED_AT_FIRST)
        .forEach((article) => fill(entries.get(Number(article.dataset.cluster))));
    }
    byId("cards-none").hidden = keys.length > 0;
    refresh();
  }

  // Show what the review changed; the body only of cards whose ROIs are others now.
  function refresh() {
    for (const entry of entries.values()) {
      const { rows } = partition.types.get(entry.key);
      const checked = rows.filter((row) => review.verdictOf(row)).length;
      const shown = `${rows.length} ${rows[0]} ${checked}`;
      if (entry.parts && entry.shown !== undefined && entry.shown !== shown)
        entry.article.querySelector(".body").replaceChildren(...createBody(entry.key, show));
      entry.shown = shown;
      entry.parts?.update(entry.article);
    }
    updateClips();
  }

  function start() {
    for (const value of Object.keys(SORTS))
      if (!["persistence", "stability", "call_type"].includes(value) || hasFigure(value))
        byId("sort").append(make("option", { value }, t(`sort.${value}`)));
    superclusters.start();
    startCallTypes(show);
    rebuild();
    partition.changed.subscribe(rebuild);
    themeChanged.subscribe(refresh);
    player.chosen.subscribe((row) => {
      const key = partition.typeOf(row);
      if (key !== null && key !== current) setCurrent(key);
      updateClips();
    });
    byId("sort").addEventListener("change", sort);
    byId("find").addEventListener("input", filter);
    const names = page.names.label.map((value) => make("option", { value }));
    document.body.append(make("datalist", { id: "known-names" }, names));
    // Paper has all cards with their content.
    addEventListener("beforeprint", () => entries.forEach(fill));
  }

  return {
    currentChanged,
    isolated,
    show,
    scrollTo,
    step,
    start,
    has: (key) => entries.has(key),
    get current() {
      return current;
    },
    editName() {
      if (current === null) step(1);
      if (current === null) return;
      show(current);
      const { name } = entries.get(current).parts;
      name.focus();
      name.select();
    },
  };
})();
