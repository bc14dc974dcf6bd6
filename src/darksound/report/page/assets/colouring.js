// The colours of the map, and its legend.

import { groupStyle, noGroupStyle, rampColour, themeChanged } from "./colours.js";
import { NOISE, clusters, page, points, shareOf } from "./data.js";
import { byId, make, showStatus } from "./elements.js";
import { decimal, t } from "./language.js";
import { swatch } from "./markers.js";
import { outlineOf } from "./outlines.js";
import { partition } from "./partition.js";
import { superclusters } from "./superclusters.js";
import { count } from "./values.js";

const MAX_ENTRIES = 40;

export function startColouring(map) {
  const select = byId("colour-by");
  const legend = byId("legend");
  let highlighted = null; // value of the highlighted entry of the legend

  const isKnown = (values) => values.some((value) => value >= 0);
  const COLOURINGS = {
    cluster: { groups: clusterGroups, known: true },
    ...(superclusters.hasSuperclusters && {
      supercluster: { groups: superclusterGroups, known: true },
    }),
    label: {
      groups: () => groupsOf("label", t("colour.no_label")),
      known: isKnown(points.label),
    },
    recording: { groups: () => groupsOf("recording", ""), known: true },
    site: { groups: () => groupsOf("site", t("colour.no_site")), known: isKnown(points.site) },
    hour: {
      ramp: "hour",
      of: (row) => points.hour[row] / 24,
      known: isKnown(points.hour),
      none: (row) => points.hour[row] < 0,
      unknown: t("colour.unknown"),
      ends: ["0 h", "6", "12", "18", "24 h"],
    },
    probability: {
      ramp: "probability",
      of: (row) => shareOf(points.probability[row]),
      known: true,
      none: (row) => points.cluster[row] === NOISE,
      unknown: t("colour.noise"),
      ends: [t("colour.low"), t("colour.high")],
    },
  };

  function clusterGroups() {
    const { of, groups } = partition.groups;
    return {
      code: of,
      nameOf: (key) => groups.get(key).title,
      none: t("colour.noise_rejected"),
    };
  }

  function superclusterGroups() {
    const code = Int32Array.from(
      points.cluster,
      (cluster) => clusters.get(cluster)?.supercluster ?? NOISE,
    );
    return {
      code,
      nameOf: (number) => t("colour.supercluster_number", { number }),
      none: t("colour.noise"),
    };
  }

  function groupsOf(what, none) {
    return { code: points[what], nameOf: (code) => page.names[what][code], none };
  }

  function byGroups({ code, nameOf, none }) {
    const counts = new Map();
    for (const value of code) counts.set(value, (counts.get(value) ?? 0) + 1);
    const order = [...counts.keys()]
      .filter((value) => value >= 0)
      .sort((a, b) => counts.get(b) - counts.get(a) || a - b);
    const number = new Map(order.map((value, i) => [value, i + 1]));
    const hasFixedColours = select.value === "cluster";
    map.styles = [
      { ...noGroupStyle(), quiet: true },
      ...order.map((value, i) => groupStyle(hasFixedColours ? value : i)),
    ];
    for (let row = 0; row < page.n; row++) map.styleOf[row] = number.get(code[row]) ?? 0;
    const entries = order
      .slice(0, MAX_ENTRIES)
      .map((value) =>
        entry(
          nameOf(value),
          map.styles[number.get(value)],
          counts.get(value),
          (row) => code[row] === value,
          value,
        ),
      );
    if (counts.has(-1))
      entries.push(entry(none, noGroupStyle(), counts.get(-1), (row) => code[row] < 0, -1));
    const more = order.length - MAX_ENTRIES;
    legend.replaceChildren(
      ...entries,
      ...(more > 0 ? [make("p", {}, t("unit.more", { n: more }))] : []),
    );
  }

  function entry(name, style, size, includes, value) {
    const button = make(
      "button",
      {
        type: "button",
        "aria-pressed": String(highlighted === value),
        title: t("colour.entry", { name, rois: count("roi", size) }),
        onclick: () => press(value, includes),
      },
      swatch(style),
      make("span", {}, name),
      make("small", { class: "muted" }, decimal(size, 0)),
    );
    button.dataset.value = value;
    return button;
  }

  function press(value, includes) {
    const isOn = highlighted === value;
    map.focus = select.value === "cluster" && !isOn && value !== -1 ? value : null;
    highlight(isOn ? null : value, includes);
  }

  function reset() {
    map.focus = null;
    highlight(null);
  }

  function highlight(value, includes) {
    highlighted = value;
    map.highlighted =
      value === null ? null : Uint8Array.from(points.row, (row) => (includes(row) ? 1 : 0));
    for (const button of legend.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.value === String(value)));
    }
    map.restyle();
  }

  const STEPS = 24;

  function byRamp({ ramp, of, none, unknown, ends }) {
    map.styles = [{ ...noGroupStyle(), quiet: true }];
    for (let i = 0; i < STEPS; i++)
      map.styles.push({ colour: rampColour(ramp, i / (STEPS - 1)), shape: "circle" });
    for (let row = 0; row < page.n; row++) {
      map.styleOf[row] = none(row) ? 0 : 1 + Math.min(STEPS - 1, Math.floor(of(row) * STEPS));
    }
    const strip = make("canvas", { width: 240, height: 14, "aria-hidden": "true" });
    const context = strip.getContext("2d");
    for (let x = 0; x < 240; x++) {
      context.fillStyle = rampColour(ramp, x / 239);
      context.fillRect(x, 0, 1, 14);
    }
    legend.replaceChildren(
      make(
        "div",
        { class: "ramp" },
        make("span", {}, ends[0]),
        strip,
        make("span", {}, ends.at(-1)),
        ends.length > 2
          ? make("span", {}, t("colour.between", { values: ends.slice(1, -1).join(", ") }))
          : null,
        swatch(noGroupStyle()),
        make("span", {}, unknown),
      ),
    );
  }

  // Labels and outlines of the clusters, whatever the colours show.
  function markGroups() {
    map.labels = [];
    map.outlines = [];
    for (const { key, rows, label } of partition.groups.groups.values()) {
      const { centre, hull } = outlineOf(rows, points.x, points.y);
      const [x, y] = centre;
      map.labels.push({ key, text: label, x, y, weight: rows.length });
      map.outlines.push({ key, colour: groupStyle(key).colour, hull });
    }
  }

  // Dim all groups but one; null for none.
  function focusOn(key) {
    const { of } = partition.groups;
    if (key !== null && !partition.groups.groups.has(key)) return;
    map.focus = key;
    highlight(select.value === "cluster" ? key : null, (row) => of[row] === key);
    if (key !== null && select.value !== "cluster") {
      map.highlighted = Uint8Array.from(points.row, (row) => (of[row] === key ? 1 : 0));
      map.restyle();
    }
    if (key !== null) showStatus(t("map.focus"));
  }

  function colour() {
    const colouring = COLOURINGS[select.value];
    if (colouring.ramp) byRamp(colouring);
    else byGroups(colouring.groups());
    if (map.focus !== null && !partition.groups.groups.has(map.focus)) reset();
    markGroups();
    map.restyle();
  }

  for (const [value, { known }] of Object.entries(COLOURINGS)) {
    select.append(
      make(
        "option",
        { value, disabled: !known },
        known ? t(`colour.${value}`) : t("colour.unknown_what", { what: t(`colour.${value}`) }),
      ),
    );
  }
  select.addEventListener("change", () => {
    highlighted = null;
    map.highlighted = null;
    map.focus = null;
    colour();
  });
  themeChanged.subscribe(colour);
  partition.changed.subscribe((isOther) => {
    if (isOther) reset();
    colour();
  });
  for (const name of ["labels", "outlines"]) {
    const toggle = byId(`show-${name}`);
    toggle.addEventListener("click", () => {
      map.shows[name] = !map.shows[name];
      toggle.setAttribute("aria-pressed", String(map.shows[name]));
      map.redraw();
    });
  }
  colour();
  return { reset, focusOn };
}
