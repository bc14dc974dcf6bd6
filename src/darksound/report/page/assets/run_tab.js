// The tabs of noise, of the selection, and of the run.

import { barChart, columnChart, hourChart, lineChart, lineLegend } from "./charts.js";
import { clipGrid } from "./clips.js";
import { NOISE, clusters, page, points } from "./data.js";
import { byId, definitionList, make } from "./elements.js";
import { brief, decimal, flagText, t } from "./language.js";
import { media } from "./media.js";
import { count, kilohertz, percent, seconds } from "./values.js";

// Names of columns and sentences of the run's files, which are in English in every language.
const RUN_WORDS = { translate: "no", lang: "en" };

function table(title, headings, rows, marked = []) {
  return make(
    "div",
    { class: "scroll" },
    make(
      "table",
      {},
      title ? make("caption", { class: "visually-hidden" }, title) : null,
      make(
        "thead",
        {},
        make(
          "tr",
          {},
          headings.map((heading) => make("th", { scope: "col" }, heading)),
        ),
      ),
      make(
        "tbody",
        {},
        rows.map((row, i) =>
          make(
            "tr",
            { class: marked.includes(i) ? "kept" : null },
            row.map((cell) => make("td", {}, cell)),
          ),
        ),
      ),
    ),
  );
}

export function section(title, ...children) {
  return make("section", { class: "block" }, make("h2", {}, title), children);
}

function bulletList(sentences) {
  return make(
    "ul",
    {},
    sentences.map((sentence) => make("li", {}, sentence)),
  );
}

function noiseReasons(noise) {
  const part = (n) => t("noise.count", { rois: count("roi", n), share: percent(n / noise.size) });
  return [
    noise.reason && make("span", RUN_WORDS, noise.reason),
    noise.assigned
      ? t("noise.assigned", {
          count: part(noise.assigned),
          share: percent(noise.min_assigned_probability),
        })
      : null,
    noise.rejected ? t("noise.rejected", { count: part(noise.rejected) }) : null,
    noise.not_computed ? t("noise.not_computed", { count: part(noise.not_computed) }) : null,
    noise.faint
      ? t("noise.faint", { count: part(noise.faint), db: decimal(noise.faint_db, 1) })
      : null,
    ...noise.flagged.map(([flag, n]) =>
      t("noise.flagged", { count: part(n), flag: flagText(flag) }),
    ),
  ].filter(Boolean);
}

export function showNoiseTab() {
  const { noise } = page;
  const view = byId("view-noise");
  if (!noise.size) {
    view.replaceChildren(section(t("noise.none"), make("p", {}, t("noise.none_about"))));
    return;
  }
  const withSound = noise.examples.filter((row) => media.has(row));
  view.replaceChildren(
    section(
      t("noise.title", { rois: count("roi", noise.size), share: percent(noise.share) }),
      bulletList(noiseReasons(noise)),
    ),
    section(
      t("noise.highest"),
      make("p", { class: "muted" }, t("noise.highest_about")),
      withSound.length
        ? clipGrid(withSound, (row) =>
            points.assigned[row] === NOISE ? "" : `→ ${points.assigned[row]}`,
          )
        : make("p", {}, t("noise.none_with_sound")),
    ),
    section(
      t("noise.where"),
      make(
        "div",
        { class: "charts" },
        make(
          "div",
          {},
          make("h4", {}, t("noise.outlier")),
          columnChart(
            noise.outlier_bins,
            (i, full) =>
              full
                ? t("noise.outlier_range", {
                    low: decimal(i / 10, 1),
                    high: decimal((i + 1) / 10, 1),
                  })
                : i % 5 === 0
                  ? brief(i / 10)
                  : "",
            t("noise.outlier_chart"),
          ),
        ),
        make(
          "div",
          {},
          make("h4", {}, t("cluster.hour")),
          noise.hours ? hourChart(noise.hours) : make("p", {}, t("cluster.no_time")),
        ),
        make(
          "div",
          {},
          make("h4", {}, t("noise.recordings")),
          barChart(
            noise.recordings.map(([code, n]) => [page.names.recording[code], n]),
            true,
          ),
        ),
      ),
    ),
  );
}

function accumulationSection() {
  const unitsOf = (accumulation) => t(`unseen.${accumulation.unit}`);
  const [byRecording, byHour] = page.details.accumulation;
  const recorded = page.details.recorded
    ? t("unseen.recorded", { duration: page.details.recorded })
    : "";
  // Equal numbers of units mean that each recording is one hour.
  const shown = byHour.units === byRecording.units ? [byRecording] : [byRecording, byHour];
  return section(
    t("unseen.title"),
    make(
      "div",
      { class: "charts" },
      shown.map((accumulation) =>
        make(
          "div",
          {},
          make("h4", {}, t("unseen.heading", { units: unitsOf(accumulation) })),
          accumulation.curve.units.length > 1
            ? lineChart({
                x: accumulation.curve.units,
                series: [{ name: t("unseen.series"), y: accumulation.curve.mean }],
                band: accumulation.curve,
                xLabel: unitsOf(accumulation),
                description: t("unseen.chart", {
                  n: accumulation.units,
                  units: unitsOf(accumulation),
                  observed: accumulation.observed,
                }),
              })
            : null,
          make(
            "p",
            {},
            [
              t("unseen.observed", {
                observed: accumulation.observed,
                n: accumulation.units,
                units: `${unitsOf(accumulation)} ${recorded}`.trim(),
              }),
              t("unseen.chao2", {
                estimate: decimal(accumulation.chao2, 1),
                low: decimal(accumulation.low, 1),
                high: decimal(accumulation.high, 1),
              }),
              accumulation.unseen >= 0.5
                ? t("unseen.unseen", { n: Math.round(accumulation.unseen) })
                : "",
            ].join(" "),
          ),
        ),
      ),
    ),
    make("p", { class: "muted" }, t("unseen.about")),
  );
}

function confoundersSection() {
  const { rows, warned, single_recording: singleRecording } = page.details.confounders;
  const all = [
    ...warned.map(([what, ami]) =>
      t("confounder.warning", { what: t(`what.${what}`), ami: decimal(ami, 2) }),
    ),
    ...singleRecording.map((number) => {
      const { size, recordings } = clusters.get(number);
      const recording = page.names.recording[recordings[0][0]];
      return t("confounder.one_recording", { number, rois: count("roi", size), recording });
    }),
  ];
  return section(
    t("confounder.title"),
    make("p", {}, t("confounder.about")),
    table(
      t("confounder.title"),
      ["", t("confounder.groups"), t("confounder.rois"), t("confounder.ami")],
      rows.map(([what, groups, rois, ami]) => [
        t(`what.${what}`),
        groups ? decimal(groups, 0) : t("confounder.unknown"),
        groups ? decimal(rois, 0) : "",
        ami === null ? "" : decimal(ami, 3),
      ]),
    ),
    all.length
      ? make(
          "div",
          { class: "warnings" },
          bulletList(all.slice(0, 12)),
          all.length > 12 ? make("p", {}, t("unit.more", { n: all.length - 12 })) : null,
        )
      : null,
  );
}

function fact([key, value]) {
  return [
    t(`fact.${key}`),
    key === "left_out" ? t("fact.left_out_about", { rois: count("roi", value) }) : value,
  ];
}

export function showRunTab() {
  const { details } = page;
  const { curves, problems } = details;
  byId("view-run").replaceChildren(
    ...[
      section(
        t("run.iterations"),
        ...details.tables.map(({ title, columns: headings, rows, marked }) =>
          make("div", RUN_WORDS, make("h4", {}, title), table(title, headings, rows, marked)),
        ),
        curves.x.length > 1
          ? lineChart({
              ...curves,
              marked: curves.kept[0],
              xLabel: t("run.x_label"),
              description: t("run.curves"),
            })
          : null,
        curves.x.length > 1 ? make("div", RUN_WORDS, lineLegend(curves.series)) : null,
        make("p", { class: "muted" }, t("run.about")),
        details.notes.length ? make("div", RUN_WORDS, bulletList(details.notes)) : null,
      ),
      accumulationSection(),
      confoundersSection(),
      section(
        t("run.title"),
        definitionList(details.facts.map(fact)),
        make("h4", {}, t("run.versions")),
        definitionList(details.versions),
      ),
      problems.count
        ? section(
            t("run.skipped", { n: problems.count }),
            table(t("run.skipped_table"), [t("run.recording"), t("run.cause")], problems.first),
          )
        : null,
      section(
        t("run.settings"),
        make(
          "details",
          {},
          make("summary", {}, t("run.all_settings")),
          make("pre", { tabindex: "0" }, details.settings),
        ),
      ),
      section(
        t("run.page"),
        definitionList([
          [
            t("run.sound"),
            media.count === page.n
              ? t("run.sound_all", { rois: count("roi", page.n) })
              : t("run.sound_some", { n: media.count, rois: count("roi", page.n) }),
          ],
          [t("clip.clips"), t("run.clips_about", { s: page.scale.max_clip_s })],
          [
            t("run.thumbnails"),
            t("run.thumbnails_about", {
              span: seconds(page.scale.span_s),
              low: kilohertz(page.scale.low_hz),
              high: kilohertz(page.scale.high_hz),
            }),
          ],
          [t("run.made_by"), `darksound ${page.version}`],
        ]),
      ),
    ].filter((part) => part !== null),
  );
}
