// The tab that asks about each clip of the plan whether it is a call of its cluster.

import { clipGrid, player } from "./clips.js";
import { clusters } from "./data.js";
import { byId, make } from "./elements.js";
import { t } from "./language.js";
import { media, thumbnail } from "./media.js";
import { partition } from "./partition.js";
import { review } from "./review.js";
import { isTabShown, showTab } from "./tabs.js";
import { decimalPercent, recordingOf, timesOf } from "./values.js";
import { plannedRows, plannedUnits, precisionOfUnit } from "./verdicts.js";
import { word } from "./words.js";

const VERDICT_KEYS = { y: "yes", n: "no", u: "unsure" };
const TYPICAL = 4;
const state = { unit: null, row: null, order: [] };

// Clips of one unit follow each other; unchecked ones come first.
function arrange() {
  const rows = plannedRows(state.unit);
  const units = plannedUnits();
  const rank = new Map(units.map((unit, i) => [unit, i]));
  state.order = rows.sort((a, b) => rank.get(review.units[a]) - rank.get(review.units[b]));
}

function nextRow(after = null) {
  const start = after === null ? 0 : state.order.indexOf(after) + 1;
  const turned = [...state.order.slice(start), ...state.order.slice(0, start)];
  return turned.find((row) => !review.verdictOf(row)) ?? null;
}

function go(row) {
  state.row = row;
  if (row !== null) player.play(row, state.order);
  showQuestion();
}

function setVerdict(verdict) {
  const { row } = state;
  if (row === null) return;
  review.setVerdict(row, review.verdictOf(row) === verdict ? "" : verdict);
  const next = nextRow(row);
  if (review.verdictOf(row)) go(next);
}

// Go back to the clip before.
function back() {
  const i = state.row === null ? state.order.length : state.order.indexOf(state.row);
  if (i > 0) go(state.order[i - 1]);
}

function shownPrecision(found) {
  if (!found.checked || found.estimate === null) return "";
  const [value, low, high] = [found.estimate, found.low, found.high].map(decimalPercent);
  return t("verify.value", { value, low, high });
}

function progress(rows) {
  const done = rows.filter((row) => review.verdictOf(row)).length;
  const bar = make("i");
  bar.style.width = `${rows.length ? (100 * done) / rows.length : 0}%`;
  return make(
    "div",
    { class: "progress" },
    make("span", {}, t("verify.progress", { done, all: rows.length })),
    make("span", { class: "track", "aria-hidden": "true" }, bar),
  );
}

function question() {
  const { row } = state;
  if (row === null) return make("p", {}, t("verify.finished"));
  const unit = review.units[row];
  const info = partition.isOwn ? partition.infoOf(unit) : clusters.get(unit);
  const title = review.titleOf(unit);
  const current = review.verdictOf(row);
  const typical = [info.medoid, ...info.typical].filter((other) => other !== row);
  const buttons = Object.entries(VERDICT_KEYS).map(([key, verdict]) =>
    make(
      "button",
      {
        type: "button",
        class: `verdict ${verdict}`,
        "aria-pressed": String(current === verdict),
        "aria-keyshortcuts": key,
        onclick: () => setVerdict(verdict),
      },
      t(`verify.${verdict}`),
      make("kbd", {}, key),
    ),
  );
  return make(
    "div",
    { class: "question" },
    make(
      "button",
      {
        type: "button",
        class: "big",
        onclick: () => player.play(row, state.order),
        "aria-label": t("clip.play"),
      },
      thumbnail(row, true),
    ),
    make(
      "p",
      { class: "muted" },
      media.has(row) ? `${timesOf(row)} · ${recordingOf(row)}` : media.missingReason(row),
    ),
    make(
      "div",
      { class: "buttons left" },
      buttons,
      make("button", { type: "button", onclick: back }, t("verify.back")),
      make("button", { type: "button", onclick: () => go(nextRow(row)) }, t("verify.next")),
    ),
    make("h4", {}, t("verify.typical", { title })),
    clipGrid(typical.slice(0, TYPICAL)),
  );
}

function precisionTable() {
  const rows = plannedUnits().map((unit) => {
    const planned = plannedRows(unit);
    const checked = planned.filter((row) => review.verdictOf(row)).length;
    return make(
      "tr",
      {},
      make(
        "td",
        {},
        make(
          "button",
          { type: "button", class: "link", onclick: () => choose(unit) },
          review.titleOf(unit),
        ),
      ),
      make("td", {}, `${checked} / ${planned.length}`),
      make("td", {}, shownPrecision(precisionOfUnit(unit))),
    );
  });
  return make(
    "section",
    { class: "block" },
    make("h2", {}, t("verify.table")),
    make(
      "div",
      { class: "scroll" },
      make(
        "table",
        {},
        make(
          "thead",
          {},
          make(
            "tr",
            {},
            make("th", { scope: "col" }, t("verify.which")),
            make("th", { scope: "col" }, t("verify.checked")),
            make("th", { scope: "col" }, word("precision", t("verify.estimate"))),
          ),
        ),
        make("tbody", {}, rows),
      ),
    ),
  );
}

function choice() {
  const select = make(
    "select",
    {
      id: "verify-unit",
      onchange: (event) => choose(event.target.value === "" ? null : Number(event.target.value)),
    },
    make("option", { value: "" }, t("verify.all")),
    plannedUnits().map((unit) =>
      make("option", { value: unit, selected: unit === state.unit }, review.titleOf(unit)),
    ),
  );
  return make("div", { class: "bar" }, make("label", {}, `${t("verify.which")} `, select));
}

function choose(unit) {
  state.unit = unit;
  arrange();
  go(nextRow());
}

function showQuestion() {
  const view = byId("view-verify");
  if (!partition.isOwn) partition.setSize(partition.tree.ownSize);
  if (!plannedRows().length) {
    view.replaceChildren(make("section", { class: "block" }, make("p", {}, t("verify.none"))));
    return;
  }
  view.replaceChildren(
    make(
      "section",
      { class: "block" },
      make("h2", {}, t("verify.title")),
      make("p", { class: "muted" }, t("verify.about")),
      choice(),
      progress(state.order),
      question(),
    ),
    precisionTable(),
  );
}

// Begin with a unit, or with all.
export function openVerify(unit = null) {
  showTab("verify", true);
  choose(unit);
}

export function startVerify() {
  byId("tab-verify").addEventListener("click", () => {
    if (state.row === null) {
      arrange();
      state.row = nextRow();
    }
    showQuestion();
  });
  review.changed.subscribe(() => {
    if (!isTabShown("verify")) return;
    arrange();
    showQuestion();
  });
  // Before the keys of the page, which use some of the same ones.
  document.addEventListener(
    "keydown",
    (event) => {
      const isTyping = event.target.matches("input, select, textarea");
      if (!isTabShown("verify") || isTyping || event.ctrlKey || event.metaKey || event.altKey)
        return;
      if (document.querySelector("dialog[open]")) return;
      const verdict = VERDICT_KEYS[event.key];
      if (verdict) setVerdict(verdict);
      else if (event.key === "b") back();
      else return;
      event.preventDefault();
      event.stopPropagation();
    },
    true,
  );
}
