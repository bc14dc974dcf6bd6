// The cards of clusters. The body of a card is created when it comes near the visible part.

import { barChart, hourChart } from "./charts.js";
import { clipGrid, player, updateClips } from "./clips.js";
import { groupStyle, noGroupStyle, themeChanged } from "./colours.js";
import { clusters, page, points } from "./data.js";
import { byId, createEvent, definitionList, make, showStatus } from "./elements.js";
import { decimal, language, t } from "./language.js";
import { swatch } from "./markers.js";
import { openMerge } from "./merging.js";
import { review } from "./review.js";
import { superclusters } from "./superclusters.js";
import { showTab } from "./tabs.js";
import { count, kilohertz, percent, seconds } from "./values.js";

export const cards = (() => {
  const entries = new Map(); // by number of the cluster
  const currentChanged = createEvent();
  let current = null;
  const SORTS = {
    size: (a, b) => b.size - a.size || a.number - b.number,
    name: (a, b) =>
      review
        .titleOf(a.number)
        .localeCompare(review.titleOf(b.number), language, { numeric: true }) ||
      a.number - b.number,
    persistence: (a, b) => (b.persistence ?? 0) - (a.persistence ?? 0),
    probability: (a, b) => a.probability - b.probability,
    low: (a, b) => (a.band?.low_hz ?? 0) - (b.band?.low_hz ?? 0),
    recordings: (a, b) => a.n_recordings - b.n_recordings || b.size - a.size,
  };

  function createHeader(info) {
    const name = make("input", {
      class: "name",
      placeholder: t("cluster.name"),
      "aria-label": t("cluster.name_of", { number: info.number }),
      autocomplete: "off",
      list: "known-names",
      maxlength: 80,
      onchange: (event) => review.name(info.number, event.target.value),
      onkeydown: (event) => {
        if (event.key === "Enter") {
          event.preventDefault();
          event.target.blur();
          focus(info.number);
        }
        if (event.key === "Escape") {
          event.target.value = review.nameOf(info.number);
          focus(info.number);
        }
      },
    });
    const swatchSlot = make("span");
    const state = make("p", { class: "state", hidden: true });
    const reject = make(
      "button",
      { type: "button", "aria-pressed": "false", onclick: () => review.reject(info.number) },
      t("cluster.reject"),
    );
    const unmerge = make(
      "button",
      { type: "button", onclick: () => review.unmerge(info.number), hidden: true },
      t("cluster.unmerge"),
    );
    const header = make(
      "header",
      {},
      make("h3", { id: `cluster-${info.number}` }, swatchSlot, t("cluster.title", { number: info.number })),
      make(
        "span",
        { class: "size" },
        t("cluster.size", { rois: count("roi", info.size), share: percent(info.share) }),
      ),
      make("span", { class: "spacer" }),
      name,
      make(
        "button",
        { type: "button", "aria-haspopup": "dialog", onclick: () => openMerge(info.number) },
        t("cluster.merge"),
      ),
      unmerge,
      reject,
      state,
    );
    return { header, name, state, reject, unmerge, swatchSlot };
  }

  function createCard(info) {
    const parts = createHeader(info);
    const body = make("div", { class: "body" });
    const article = make(
      "article",
      {
        class: "card",
        tabindex: "-1",
        "aria-labelledby": `cluster-${info.number}`,
        onfocusin: () => {
          if (current !== info.number) setCurrent(info.number);
        },
      },
      parts.header,
      body,
    );
    article.dataset.cluster = info.number;
    return { info, article, body, ...parts };
  }

  function meanSpectrogram(info) {
    const { low_hz: low, high_hz: high, span_s: span } = page.scale;
    if (!info.mean_image)
      return make(
        "p",
        { class: "muted" },
        t("cluster.no_mean"),
      );
    const image = make("img", {
      src: `data:image/webp;base64,${info.mean_image}`,
      width: page.scale.width,
      height: page.scale.height,
      alt: t("cluster.mean", {
        rois: count("roi", info.n_averaged),
        low: kilohertz(low),
        high: kilohertz(high),
      }),
    });
    return make(
      "figure",
      { class: "mean" },
      make(
        "div",
        { class: "axis", "aria-hidden": "true" },
        make("span", {}, kilohertz(high)),
        make("span", {}, t("unit.khz")),
        make("span", {}, kilohertz(low)),
      ),
      make("div", { class: "thumbnail" }, image),
      make(
        "div",
        { class: "time", "aria-hidden": "true" },
        make("span", {}, t("cluster.mean_of", { n: info.n_averaged })),
        make("span", {}, seconds(span)),
      ),
    );
  }

  function nearestButtons(info) {
    return info.nearest.map(([number, distance]) =>
      make(
        "button",
        {
          type: "button",
          title: t("cluster.distance", { distance: decimal(distance, 3) }),
          onclick: () => show(number),
        },
        `${number}`,
      ),
    );
  }

  function properties(info) {
    const [short, middle, long] = info.duration;
    return definitionList([
      [
        t("cluster.frequency"),
        info.band &&
          t(info.band.measured ? "cluster.band_measured" : "cluster.band", {
            low: kilohertz(info.band.low_hz),
            high: kilohertz(info.band.high_hz),
          }),
      ],
      [t("cluster.length"), short === long ? seconds(middle) : `${seconds(short)} – ${seconds(long)}`],
      [
        t("cluster.probability"),
        t("cluster.mean_probability", { value: decimal(info.probability, 2) }),
      ],
      [
        t("cluster.persistence"),
        info.persistence === null ? t("cluster.not_in_run") : decimal(info.persistence, 3),
      ],
      [t("cluster.recordings"), decimal(info.n_recordings, 0)],
      [t("cluster.nearest"), info.nearest.length ? make("span", {}, nearestButtons(info)) : null],
    ]);
  }

  function occurrence(info) {
    const names =
      (what) =>
      ([code, count]) => [page.names[what][code], count];
    return make(
      "div",
      { class: "charts wide" },
      make(
        "div",
        {},
        make("h4", {}, t("cluster.hour")),
        info.hours
          ? hourChart(info.hours)
          : make("p", {}, t("cluster.no_time")),
      ),
      make(
        "div",
        {},
        make(
          "h4",
          {},
          info.n_recordings > info.recordings.length
            ? t("cluster.top_recordings", { n: info.recordings.length, all: info.n_recordings })
            : t("cluster.recordings"),
        ),
        barChart(info.recordings.map(names("recording")), true),
      ),
      info.labels.length
        ? make(
            "div",
            {},
            make("h4", {}, t("cluster.labels")),
            barChart(info.labels.map(names("label"))),
          )
        : null,
    );
  }

  function fillBody({ info, body }) {
    if (body.childElementCount) return;
    const playlist = [info.medoid, ...info.typical, ...info.borderline];
    const noteOf = (row) => (row === info.medoid ? t("cluster.medoid") : "");
    body.append(
      make("div", {}, meanSpectrogram(info), properties(info)),
      make(
        "div",
        {},
        make("h4", {}, t("cluster.typical")),
        clipGrid([info.medoid, ...info.typical], noteOf, playlist),
        info.borderline.length ? make("h4", {}, t("cluster.borderline")) : null,
        info.borderline.length ? clipGrid(info.borderline, () => "", playlist) : null,
      ),
      occurrence(info),
    );
  }

  function update({ info, article, name, state, reject, unmerge, swatchSlot }) {
    const number = info.number;
    if (document.activeElement !== name) name.value = review.nameOf(number);
    const isRejected = review.isRejected(number);
    const others = review.mergedWith(number);
    const sentences = [
      isRejected ? t("cluster.is_rejected") : "",
      others.length
        ? t("cluster.merged_with", {
            clusters: others.map((other) => t("cluster.short", { number: other })).join(", "),
          })
        : "",
      info.n_recordings === 1 && info.size > 1 && page.n_recordings > 1
        ? t("cluster.one_recording", { recording: page.names.recording[info.recordings[0][0]] })
        : "",
    ].filter(Boolean);
    state.textContent = sentences.join(" ");
    state.hidden = !sentences.length;
    reject.setAttribute("aria-pressed", String(isRejected));
    reject.textContent = isRejected ? t("cluster.restore") : t("cluster.reject");
    unmerge.hidden = !others.length;
    article.classList.toggle("rejected", isRejected);
    swatchSlot.replaceChildren(
      swatch(isRejected ? noGroupStyle() : groupStyle(review.groupOf(number))),
    );
  }

  function setCurrent(number) {
    if (current !== null) entries.get(current)?.article.classList.remove("current");
    current = number;
    entries.get(number)?.article.classList.add("current");
    currentChanged(number);
  }

  function focus(number) {
    const { article } = entries.get(number);
    article.focus({ preventScroll: true });
    article.scrollIntoView({ block: "nearest" });
  }

  function show(number) {
    showTab("clusters");
    const entry = entries.get(number);
    if (entry.article.hidden) {
      byId("find").value = "";
      filter();
    }
    superclusters.reveal(number);
    fillBody(entry);
    setCurrent(number);
    focus(number);
  }

  // Show the card of a cluster that was clicked on the map, where cards scroll beside the map.
  function scrollTo(number) {
    if (clusters.has(number) && matchMedia("(min-width: 1000px)").matches) {
      superclusters.reveal(number);
      entries.get(number).article.scrollIntoView({ block: "nearest" });
    }
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
    const compare = SORTS[byId("sort").value];
    superclusters.arrange(
      [...page.clusters].sort(compare).map((info) => entries.get(info.number).article),
      byId("sort").value === "size",
    );
  }

  function filter() {
    const query = byId("find").value.trim().toLowerCase();
    for (const { info, article } of entries.values()) {
      const words = [
        String(info.number),
        t("cluster.short", { number: info.number }),
        review.nameOf(info.number),
        ...info.labels.map(([code]) => page.names.label[code]),
      ];
      article.hidden =
        Boolean(query) &&
        !words.some(
          (word) => word === query || (query.length > 2 && word.toLowerCase().includes(query)),
        );
    }
    superclusters.filtered(Boolean(query));
  }

  function start() {
    for (const value of Object.keys(SORTS))
      byId("sort").append(make("option", { value }, t(`sort.${value}`)));
    for (const info of page.clusters) entries.set(info.number, createCard(info));
    superclusters.start();
    sort();
    filter();
    if (!page.clusters.length)
      byId("cards").append(
        make(
          "p",
          { class: "block" },
          t("cluster.none"),
        ),
      );
    const observer = new IntersectionObserver(
      (changes) => {
        for (const entry of changes) {
          if (!entry.isIntersecting) continue;
          fillBody(entries.get(Number(entry.target.dataset.cluster)));
          observer.unobserve(entry.target);
        }
      },
      { rootMargin: "600px" },
    );
    for (const { article } of entries.values()) observer.observe(article);
    const refresh = () => {
      entries.forEach(update);
      updateClips();
    };
    review.changed.subscribe(refresh);
    themeChanged.subscribe(refresh);
    player.chosen.subscribe((row) => {
      if (clusters.has(points.cluster[row]) && points.cluster[row] !== current)
        setCurrent(points.cluster[row]);
      updateClips();
    });
    refresh();
    byId("sort").addEventListener("change", sort);
    byId("find").addEventListener("input", filter);
    const names = make(
      "datalist",
      { id: "known-names" },
      page.names.label.map((value) => make("option", { value })),
    );
    document.body.append(names);
  }

  return {
    currentChanged,
    show,
    scrollTo,
    step,
    start,
    get current() {
      return current;
    },
    editName() {
      if (current === null) step(1);
      if (current === null) return;
      show(current);
      entries.get(current).name.focus();
      entries.get(current).name.select();
    },
  };
})();
