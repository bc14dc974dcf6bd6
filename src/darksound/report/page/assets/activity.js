// Sites, hours and dates: calls an hour of recorded sound, which follow the review.

import { NOISE, asArray, page, points } from "./data.js";
import { byId, draw, make } from "./elements.js";
import { decimal, t } from "./language.js";
import { dispersionOf, ratesOf } from "./rates.js";
import { review } from "./review.js";
import { amount } from "./values.js";

const ALL = "all";
const HOURS = 24;
const LEVELS = 12;
const SHOWN_SITES = 60;
const SUN_DIFFERS_H = 0.2;

const given = page.activity;
const cells = Object.fromEntries(
  Object.entries(given.cells).map(([name, column]) => [name, asArray(column)]),
);
const isTimed = cells.hour.some((hour) => hour >= 0);
const hasSites = given.sites.some((name) => name !== "");
const chosen = { group: ALL, site: ALL };

export const hasHours = given.is_complete && isTimed;
export const hasSiteRates = given.is_complete && hasSites;

function siteName(site) {
  return given.sites[site] || t("activity.unknown_site");
}

// The number of ROIs in each cell of those that `isCounted(row)`.
function callsWhere(isCounted) {
  const calls = new Float64Array(cells.site.length);
  for (let row = 0; row < page.n; row++)
    if (points.cell[row] >= 0 && isCounted(row)) calls[points.cell[row]] += 1;
  return calls;
}

// What can be chosen: all ROIs, each group, those of one name together, and noise.
function choices() {
  const byTitle = new Map();
  for (const group of review.groups.keys()) {
    const title = review.titleOf(group);
    byTitle.set(title, [...(byTitle.get(title) ?? []), group]);
  }
  const named = [...byTitle].map(([title, groups]) => [groups[0], { title, groups }]);
  return new Map([
    [ALL, { title: t("activity.all"), groups: null }],
    ...named,
    ...(page.noise.size ? [[NOISE, { title: t("colour.noise"), groups: [NOISE] }]] : []),
  ]);
}

// The calls of these groups; null for all ROIs.
function callsOf(groups) {
  const { units } = review;
  const isWanted = groups && new Set(groups);
  const groupOf = (unit) => (unit === NOISE ? NOISE : review.groupOf(unit));
  return callsWhere(
    (row) => !review.isRoiRejected(row) && (!isWanted || isWanted.has(groupOf(units[row]))),
  );
}

function hourly(calls, site = ALL) {
  const keyOf = (i) => (site === ALL || cells.site[i] === site ? cells.hour[i] : -1);
  return ratesOf(cells, calls, HOURS, keyOf, dispersionOf(cells, calls, true));
}

function bySite(calls) {
  const dispersion = dispersionOf(cells, calls, false);
  return ratesOf(cells, calls, given.sites.length, (i) => cells.site[i], dispersion);
}

// The hour with most calls an hour: {hour, rate, low, high}, or null.
export function peakHour() {
  if (!hasHours) return null;
  const rows = hourly(callsOf(null)).map((row, hour) => ({ ...row, hour }));
  const best = rows.reduce((a, b) => ((b.rate ?? 0) > (a.rate ?? 0) ? b : a));
  return best.rate ? best : null;
}

function rateWithInterval({ rate, low, high }) {
  return t("activity.rate", { rate: amount(rate), low: amount(low), high: amount(high) });
}

function hourText(hour) {
  return t("chart.hour_range", { from: hour, to: hour + 1 });
}

// Calls an hour by hour of the day: a column and its interval each; grey where none was recorded.
function curve(rows, description) {
  const [width, height, left, axisHeight] = [300, 110, 30, 16];
  const rates = rows.map((row) => row.rate ?? 0);
  // Long intervals are cut rather than making all columns small.
  const longest = Math.max(1e-9, ...rows.map((row) => row.high ?? 0));
  const highest = Math.min(longest, 3 * Math.max(...rates) || longest);
  const step = (width - left) / rows.length;
  const y = (rate) => height - (Math.min(rate, highest) / highest) * (height - 8);
  const chart = draw("svg", {
    class: "activity",
    viewBox: `0 0 ${width} ${height + axisHeight}`,
    role: "img",
    "aria-label": description,
  });
  rows.forEach((row, hour) => {
    const x = left + hour * step;
    if (row.rate === null) {
      const box = { class: "unrecorded", x, width: step, y: 8, height: height - 8 };
      const note = t("activity.unrecorded", { hour: hourText(hour) });
      chart.append(draw("rect", box, draw("title", {}, note)));
      return;
    }
    const title = draw("title", {}, `${hourText(hour)}: ${rateWithInterval(row)}`);
    const middle = x + step / 2;
    chart.append(
      draw(
        "g",
        {},
        title,
        draw("rect", { class: "hit", x, width: step, y: 0, height }),
        draw("rect", {
          class: "column",
          x: x + 0.5,
          width: Math.max(1, step - 1),
          y: y(row.rate),
          height: height - y(row.rate),
        }),
        draw("path", { class: "interval", d: `M${middle} ${y(row.low)}V${y(row.high)}` }),
      ),
    );
  });
  for (let hour = 0; hour <= HOURS; hour += 6)
    chart.append(
      draw("text", { x: left + hour * step, y: height + 13, "text-anchor": "middle" }, hour),
    );
  for (const rate of [0, highest / 2, highest])
    chart.append(draw("text", { x: left - 4, y: y(rate) + 4, "text-anchor": "end" }, amount(rate)));
  chart.append(draw("path", { class: "axis", d: `M${left} ${height + 0.5}H${width}` }));
  return chart;
}

// Names of sites with bars of their rates, and the intervals as lines over them.
function siteBars(rows) {
  const shown = rows.map((row, site) => ({ ...row, site })).filter((row) => row.rate !== null);
  const highest = Math.max(1e-9, ...shown.map((row) => row.high));
  return make(
    "div",
    { class: "bars" },
    shown.slice(0, SHOWN_SITES).flatMap((row) => {
      const bar = make("i");
      bar.style.width = `${(100 * row.rate) / highest}%`;
      const line = make("b");
      line.style.left = `${(100 * row.low) / highest}%`;
      line.style.width = `${(100 * (row.high - row.low)) / highest}%`;
      return [
        make("span", { class: "label", title: siteName(row.site) }, siteName(row.site)),
        make("span", { class: "track", title: rateWithInterval(row) }, bar, line),
        make("span", { class: "count" }, amount(row.rate)),
      ];
    }),
    shown.length > SHOWN_SITES
      ? make("p", {}, t("activity.more_sites", { n: shown.length - SHOWN_SITES }))
      : null,
  );
}

function peakSentence(rows) {
  const best = rows.reduce((a, b, hour) => ((b.rate ?? 0) > (rows[a].rate ?? 0) ? hour : a), 0);
  if (!rows[best].rate) return t("activity.none");
  return t("activity.peak", { hours: hourText(best), rate: rateWithInterval(rows[best]) });
}

// The sun times of all sites, where those of all that are known are nearly the same.
function sunOfAll() {
  const [first, ...others] = given.sun.filter(Boolean);
  const isNear = (a, b) => a === b || (a !== null && b !== null && Math.abs(a - b) < SUN_DIFFERS_H);
  const isSame = (sun) =>
    sun.every((hours, kind) => hours.every((hour, date) => isNear(hour, first[kind][date])));
  return others.every(isSame) ? first : null;
}

// Dates as columns and hours as rows; the darker, the more calls an hour.
function heatMap(calls, site) {
  const [left, top, cell, axisHeight] = [26, 4, 7, 16];
  const n = given.dates.length;
  const keyOf = (i) =>
    (site === ALL || cells.site[i] === site) && cells.date[i] >= 0
      ? HOURS * cells.date[i] + cells.hour[i]
      : -1;
  const seconds = new Float64Array(HOURS * n);
  const counts = new Float64Array(HOURS * n);
  for (let i = 0; i < calls.length; i++) {
    if (keyOf(i) < 0) continue;
    seconds[keyOf(i)] += cells.seconds[i];
    counts[keyOf(i)] += calls[i];
  }
  const rates = Array.from(counts, (count, i) => (seconds[i] ? (3600 * count) / seconds[i] : null));
  const highest = Math.max(1e-9, ...rates);
  const columnWidth = Math.max(2, Math.min(26, 560 / n));
  const [width, height] = [n * columnWidth, HOURS * cell];
  const y = (hour) => top + height - hour * cell;
  const paths = Array.from({ length: LEVELS + 1 }, () => []);
  rates.forEach((rate, i) => {
    if (rate === null) return;
    const level = rate ? Math.max(1, Math.ceil(LEVELS * Math.sqrt(rate / highest))) : 0;
    const [date, hour] = [Math.floor(i / HOURS), i % HOURS];
    paths[level].push(
      `M${left + date * columnWidth} ${y(hour + 1)}h${columnWidth}v${cell}h-${columnWidth}z`,
    );
  });
  const best = rates.reduce((a, rate, i) => ((rate ?? -1) > (rates[a] ?? -1) ? i : a), 0);
  const chart = draw("svg", {
    class: "activity dates",
    viewBox: `0 0 ${left + width + 8} ${top + height + axisHeight}`,
    role: "img",
    "aria-label": t("activity.dates_description", {
      first: given.dates[0],
      last: given.dates[n - 1],
      date: given.dates[Math.floor(best / HOURS)],
      hours: hourText(best % HOURS),
      rate: amount(rates[best] ?? 0),
    }),
  });
  chart.style.maxWidth = `${1.3 * (left + width + 8)}px`;
  chart.append(draw("rect", { class: "unrecorded", x: left, y: top, width, height }));
  paths.forEach((parts, level) => {
    if (!parts.length) return;
    const path = draw("path", { class: "heat", d: parts.join("") });
    path.style.setProperty("--level", level / LEVELS);
    chart.append(path);
  });
  const sun = site === ALL ? sunOfAll() : given.sun[site];
  sun?.forEach((hours, kind) => {
    const name = kind === 1 || kind === 2 ? "sun" : "sun dotted";
    const d = hours
      .map((hour, date) =>
        hour === null ? "" : `M${left + date * columnWidth} ${y(hour)}h${columnWidth}`,
      )
      .join("");
    chart.append(draw("path", { class: `${name} under`, d }), draw("path", { class: name, d }));
  });
  for (let hour = 0; hour <= HOURS; hour += 6)
    chart.append(draw("text", { x: left - 4, y: y(hour) + 3, "text-anchor": "end" }, hour));
  const every = Math.ceil(70 / columnWidth);
  for (let date = 0; date < n; date += every)
    chart.append(
      draw("text", { x: left + date * columnWidth, y: top + height + 13 }, given.dates[date]),
    );
  return { chart, hasSun: Boolean(sun), highest };
}

function scale(highest) {
  const steps = Array.from({ length: LEVELS + 1 }, (_, level) => {
    const step = make("i", { class: "heat" });
    step.style.setProperty("--level", level / LEVELS);
    return step;
  });
  return make(
    "p",
    { class: "scale" },
    make("span", {}, "0"),
    steps,
    make("span", {}, t("activity.per_hour", { rate: amount(highest) })),
    make("i", { class: "unrecorded" }),
    make("span", {}, t("activity.never")),
  );
}

function selectOf(label, options, value, choose) {
  const select = make("select", {
    onchange: (event) => choose(event.target.value),
    "aria-label": label,
  });
  for (const [key, name] of options)
    select.append(make("option", { value: key, selected: String(key) === String(value) }, name));
  return make("label", {}, `${label} `, select);
}

function controls(groups) {
  const titles = [...groups].map(([group, { title }]) => [group, title]);
  const parse = (value) => (value === ALL ? ALL : Number(value));
  const sites = given.sites.map((_, site) => [site, siteName(site)]);
  return make(
    "div",
    { class: "bar" },
    selectOf(t("activity.show"), titles, chosen.group, (value) => {
      chosen.group = parse(value);
      showActivityTab("group");
    }),
    hasSites && sites.length > 1
      ? selectOf(
          t("activity.site"),
          [[ALL, t("activity.all_sites")], ...sites],
          chosen.site,
          (value) => {
            chosen.site = parse(value);
            showActivityTab("site");
          },
        )
      : null,
  );
}

function block(title, ...children) {
  return make("section", { class: "block" }, make("h2", {}, title), children);
}

function recordedSentence() {
  const hours = cells.seconds.reduce((sum, seconds) => sum + seconds, 0) / 3600;
  return t("activity.recorded", {
    hours: amount(hours),
    n: given.recordings,
    silent: given.silent,
  });
}

function siteTable(rows) {
  const headings = ["site", "hours", "calls", "rate_column", "interval"];
  return make(
    "div",
    { class: "scroll" },
    make(
      "table",
      {},
      make("caption", { class: "visually-hidden" }, t("activity.sites_title")),
      make(
        "thead",
        {},
        make(
          "tr",
          {},
          headings.map((key) => make("th", { scope: "col" }, t(`activity.${key}`))),
        ),
      ),
      make(
        "tbody",
        {},
        rows.map((row, site) => {
          const known = row.rate !== null;
          const interval = known ? `${amount(row.low)} – ${amount(row.high)}` : "";
          const texts = [
            amount(row.hours),
            decimal(row.calls, 0),
            known ? amount(row.rate) : "",
            interval,
          ];
          return make(
            "tr",
            {},
            make("th", { scope: "row" }, siteName(site)),
            texts.map((text) => make("td", {}, text)),
          );
        }),
      ),
    ),
  );
}

// Fill the part; `focus` names the choice that keeps the focus.
export function showActivityTab(focus = null) {
  const view = byId("view-activity");
  if (!given.is_complete) {
    view.replaceChildren(block(t("tab.activity"), make("p", {}, t("activity.no_effort"))));
    return;
  }
  const groups = choices();
  // A review may have taken the chosen group away.
  if (!groups.has(chosen.group)) chosen.group = ALL;
  const calls = callsOf(groups.get(chosen.group).groups);
  const parts = [
    block(
      t("activity.title"),
      make("p", {}, recordedSentence()),
      given.untimed && isTimed
        ? make("p", { class: "muted" }, t("activity.untimed", { n: given.untimed }))
        : null,
      controls(groups),
    ),
  ];
  if (isTimed) {
    const rows = hourly(calls, chosen.site);
    const sentence = peakSentence(rows);
    const { chart, hasSun, highest } = heatMap(calls, chosen.site);
    parts.push(
      block(
        t("activity.hours_title"),
        make("p", {}, sentence),
        curve(rows, sentence),
        make("p", { class: "muted" }, t("activity.curve_note")),
      ),
      block(
        t("activity.dates_title"),
        chart,
        scale(highest),
        hasSun ? make("p", { class: "muted" }, t("activity.sun_note")) : null,
      ),
    );
  } else parts.push(block(t("activity.hours_title"), make("p", {}, t("activity.no_times"))));
  parts.push(
    hasSites
      ? block(t("activity.sites_title"), siteBars(bySite(calls)), siteTable(bySite(calls)))
      : block(t("activity.sites_title"), make("p", {}, t("activity.no_sites"))),
  );
  view.replaceChildren(...parts);
  const selects = view.querySelectorAll("select");
  if (focus === "group") selects[0].focus();
  if (focus === "site") selects[1].focus();
}

// The charts of a card, of what is known: its hours of the day, and its sites.
export function activityCharts(isOfCard) {
  const calls = callsWhere((row) => isOfCard(row) && !review.isRoiRejected(row));
  const charts = [];
  if (hasHours) {
    const rows = hourly(calls);
    charts.push(
      make("div", {}, make("h4", {}, t("activity.card_hours")), curve(rows, peakSentence(rows))),
    );
  }
  if (hasSiteRates)
    charts.push(make("div", {}, make("h4", {}, t("activity.card_sites")), siteBars(bySite(calls))));
  return charts;
}

// The part is filled when it is shown.
export function startActivity() {
  const view = byId("view-activity");
  let isOld = true;
  const update = () => {
    if (view.hidden || !isOld) return;
    isOld = false;
    showActivityTab();
  };
  new MutationObserver(update).observe(view, { attributeFilter: ["hidden"] });
  review.changed.subscribe(() => {
    isOld = true;
    update();
  });
  update();
}
