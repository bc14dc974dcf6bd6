// The colours of the map, and its legend.

import { groupStyle, noGroupStyle, rampColour, themeChanged } from "./colours.js";
import { NOISE, clusters, page, points, shareOf } from "./data.js";
import { byId, make } from "./elements.js";
import { decimal, t } from "./language.js";
import { swatch } from "./markers.js";
import { review } from "./review.js";
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
    ...(superclusters.isUsed && {
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
    const code = Int32Array.from(points.row, (row) => {
      const cluster = points.cluster[row];
      return cluster === NOISE || review.isRoiRejected(row) ? -1 : review.groupOf(cluster);
    });
    return { code, nameOf: (group) => review.titleOf(group), none: t("colour.noise_rejected") };
  }

  function superclusterGroups() {
    const code = Int32Array.from(
      points.cluster,
      (cluster) => clusters.get(cluster)?.supercluster ?? NOISE,
    );
    return { code, nameOf: (number) => t("colour.supercluster_number", { number }), none: t("colour.noise") };
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
        onclick: () => highlight(highlighted === value ? null : value, includes),
      },
      swatch(style),
      make("span", {}, name),
      make("small", { class: "muted" }, decimal(size, 0)),
    );
    button.dataset.value = value;
    return button;
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
        ends.length > 2 ? make("span", {}, t("colour.between", { values: ends.slice(1, -1).join(", ") })) : null,
        swatch(noGroupStyle()),
        make("span", {}, unknown),
      ),
    );
  }

  function mapLabels() {
    if (select.value !== "cluster") return [];
    const rowsOf = new Map();
    for (let row = 0; row < page.n; row++) {
      const cluster = points.cluster[row];
      if (cluster === NOISE || review.isRoiRejected(row)) continue;
      const group = review.groupOf(cluster);
      if (!rowsOf.has(group)) rowsOf.set(group, []);
      rowsOf.get(group).push(row);
    }
    return [...rowsOf].map(([group, rows]) => {
      // At the top of the cluster, without its outliers.
      const top = rows.sort((a, b) => points.y[a] - points.y[b])[
        Math.floor(0.98 * (rows.length - 1))
      ];
      return { text: review.nameOf(group) || String(group), x: points.x[top], y: points.y[top] };
    });
  }

  function colour() {
    const colouring = COLOURINGS[select.value];
    if (colouring.ramp) byRamp(colouring);
    else byGroups(colouring.groups());
    map.labels = mapLabels();
    map.restyle();
  }

  for (const [value, { known }] of Object.entries(COLOURINGS)) {
    select.append(
      make("option", { value, disabled: !known }, known
          ? t(`colour.${value}`)
          : t("colour.unknown_what", { what: t(`colour.${value}`) })),
    );
  }
  select.addEventListener("change", () => {
    highlighted = null;
    map.highlighted = null;
    colour();
  });
  themeChanged.subscribe(colour);
  review.changed.subscribe(() => {
    if (select.value === "cluster") colour();
  });
  colour();
  return { reset: () => highlight(null) };
}
