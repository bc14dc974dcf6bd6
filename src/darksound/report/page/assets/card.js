// The content of the card of a type: header with the actions of the review, and body.

import { activityCharts, hasHours } from "./activity.js";
import { callTypeBadge } from "./call_types.js";
import { barChart, hourChart } from "./charts.js";
import { clipGrid } from "./clips.js";
import { groupStyle, noGroupStyle } from "./colours.js";
import { page } from "./data.js";
import { definitionList, make } from "./elements.js";
import { decimal, t } from "./language.js";
import { swatch } from "./markers.js";
import { openMerge } from "./merging.js";
import { partition } from "./partition.js";
import { review } from "./review.js";
import { openSplit } from "./split.js";
import { count, kilohertz, percent, seconds } from "./values.js";
import { precisionOfUnit } from "./verdicts.js";
import { grade, word } from "./words.js";

function rename(key, text) {
  if (partition.isOwn) review.name(key, text);
  else if (text.trim() !== partition.nameOf(key))
    review.nameTogether(partition.targetOf(key), text);
}

export function rejectType(key) {
  const isRejected = !partition.isRejected(key);
  if (partition.isOwn) review.reject(key, isRejected);
  else review.rejectTogether(partition.targetOf(key), isRejected);
}

function button(label, onclick, attributes = {}) {
  return make("button", { type: "button", onclick, ...attributes }, label);
}

// Return the header and a function that shows the state of the review in it.
export function createHeader(key, { focus, isolate }) {
  const isOwn = partition.isOwn;
  const heading = partition.headingOf(key);
  const name = make("input", {
    class: "name",
    placeholder: t("cluster.name"),
    "aria-label": t("cluster.name_of", { number: partition.isOwn ? String(key) : heading }),
    autocomplete: "off",
    list: "known-names",
    maxlength: 80,
    onchange: (event) => rename(key, event.target.value),
    onkeydown: (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        event.target.blur();
        focus(key);
      }
      if (event.key === "Escape") {
        event.target.value = partition.nameOf(key);
        focus(key);
      }
    },
  });
  const swatchSlot = make("span");
  const size = make("span", { class: "size" });
  const state = make("p", { class: "state", hidden: true });
  const reject = button(t("cluster.reject"), () => rejectType(key), {
    class: "reject",
    "aria-pressed": "false",
  });
  const unmerge = button(t("cluster.unmerge"), () => review.unmerge(key), { hidden: true });
  const unsplit = button(t("cluster.unsplit"), () => review.unsplit(key), { hidden: true });
  const header = make(
    "header",
    {},
    make("h3", { id: `cluster-${key}` }, swatchSlot, heading),
    isOwn ? callTypeBadge(key) : null,
    size,
    make("span", { class: "spacer" }),
    name,
    isOwn ? button(t("cluster.merge"), () => openMerge(key), { "aria-haspopup": "dialog" }) : null,
    unmerge,
    reject,
    isOwn ? button(t("cluster.split"), () => openSplit(key), { "aria-haspopup": "dialog" }) : null,
    unsplit,
    button(t("map.focus_button"), () => isolate(key), { title: t("map.focus_hint") }),
    state,
  );

  function update(article) {
    const { rows } = partition.types.get(key);
    const isRejected = partition.isRejected(key);
    const n = isRejected ? 0 : rows.filter((row) => review.isRoiRejected(row)).length;
    const values = {
      rois: count("roi", rows.length - n),
      share: percent((rows.length - n) / page.n),
      n,
    };
    size.textContent = t(n ? "cluster.size_rejected" : "cluster.size", values);
    if (document.activeElement !== name) name.value = partition.nameOf(key);
    const others = isOwn ? review.mergedWith(key) : [];
    const sentences = stateOf(key, isRejected, others);
    state.textContent = sentences.join(" ");
    state.hidden = !sentences.length;
    reject.setAttribute("aria-pressed", String(isRejected));
    reject.textContent = t(isRejected ? "cluster.restore" : "cluster.reject");
    unmerge.hidden = !others.length;
    unsplit.hidden = !(isOwn && review.isSplit(key));
    article.classList.toggle("rejected", isRejected);
    const group = isOwn ? review.groupOf(key) : key;
    swatchSlot.replaceChildren(swatch(isRejected ? noGroupStyle() : groupStyle(group)));
  }

  return { header, update, name };
}

function stateOf(key, isRejected, others) {
  const info = partition.infoOf(key);
  const isAlone = info.n_recordings === 1 && info.size > 1 && page.n_recordings > 1;
  const short = (number) => t("cluster.short", { number: String(number) });
  return [
    isRejected ? t("cluster.is_rejected") : "",
    others.length ? t("cluster.merged_with", { clusters: others.map(short).join(", ") }) : "",
    isAlone
      ? t("cluster.one_recording", { recording: page.names.recording[info.recordings[0][0]] })
      : "",
  ].filter(Boolean);
}

function meanSpectrogram(info) {
  const { low_hz: low, high_hz: high, span_s: span } = page.scale;
  if (!info.mean_image)
    return info.isWhole ? make("p", { class: "muted" }, t("cluster.no_mean")) : null;
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

function nearestButtons(info, show) {
  return info.nearest.map(([number, distance]) =>
    button(String(number), () => show(number), {
      title: t("cluster.distance", { distance: decimal(distance, 3) }),
    }),
  );
}

function precisionText(key) {
  const found = partition.isOwn ? precisionOfUnit(key) : null;
  if (!found || found.estimate === null || !found.checked) return null;
  const [value, low, high] = [found.estimate, found.low, found.high].map(percent);
  return t("cluster.precision_value", { value, low, high, n: found.checked });
}

function properties(key, info, show) {
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
    [
      t("cluster.length"),
      short === long ? seconds(middle) : `${seconds(short)} – ${seconds(long)}`,
    ],
    [
      word("probability", t("cluster.probability")),
      t("cluster.mean_probability", { value: decimal(info.probability, 2) }),
    ],
    [
      word("stability", t("cluster.stability")),
      info.stability === null
        ? null
        : t("grade.figure", {
            value: decimal(info.stability, 2),
            grade: grade("stability", info.stability),
          }),
    ],
    [word("precision", t("cluster.precision")), precisionText(key)],
    [
      word("persistence", t("cluster.persistence")),
      info.persistence === null ? null : decimal(info.persistence, 3),
    ],
    [t("cluster.recordings"), decimal(info.n_recordings, 0)],
    [
      t("cluster.nearest"),
      partition.isOwn && info.nearest.length ? make("span", {}, nearestButtons(info, show)) : null,
    ],
  ]);
}

function chart(heading, content) {
  return make("div", {}, make("h4", {}, heading), content);
}

function occurrence(key, info) {
  const members = new Set(partition.types.get(key).rows);
  const names =
    (what) =>
    ([code, n]) => [page.names[what][code], n];
  return make(
    "div",
    { class: "charts wide" },
    activityCharts((row) => members.has(row)),
    hasHours
      ? null
      : chart(
          t("cluster.hour"),
          info.hours ? hourChart(info.hours) : make("p", {}, t("cluster.no_time")),
        ),
    chart(
      info.n_recordings > info.recordings.length
        ? t("cluster.top_recordings", { n: info.recordings.length, all: info.n_recordings })
        : t("cluster.recordings"),
      barChart(info.recordings.map(names("recording")), true),
    ),
    info.labels.length
      ? chart(t("cluster.labels"), barChart(info.labels.map(names("label"))))
      : null,
  );
}

// Return the parts of the body of a card.
export function createBody(key, show) {
  const info = partition.infoOf(key);
  const playlist = [info.medoid, ...info.typical, ...info.borderline];
  const noteOf = (row) => (row === info.medoid ? t("cluster.medoid") : "");
  return [
    make("div", {}, meanSpectrogram(info), properties(key, info, show)),
    make(
      "div",
      {},
      make("h4", {}, t("cluster.typical")),
      clipGrid([info.medoid, ...info.typical], noteOf, playlist),
      info.borderline.length ? make("h4", {}, word("borderline", t("cluster.borderline"))) : null,
      info.borderline.length ? clipGrid(info.borderline, () => "", playlist) : null,
    ),
    occurrence(key, info),
  ];
}
