// The call types of a catalogue, in a run that assigned ROIs to them: known, new, and neither.

import { clusters, page, points } from "./data.js";
import { byId, make } from "./elements.js";
import { t } from "./language.js";
import { review } from "./review.js";
import { showTab } from "./tabs.js";
import { count } from "./values.js";

const STATUSES = ["known", "new"];
const LISTED = 60;

const hasCallTypes = page.clusters.some((info) => info.call_type);

function typeOf(key) {
  return clusters.get(key)?.call_type ?? null;
}

// Compare cards by their keys: known types first, then new ones, then what a review split off.
export function compareCallTypes(a, b) {
  const rank = (key) => {
    const type = typeOf(key);
    return type ? STATUSES.indexOf(type.status) : STATUSES.length;
  };
  return rank(a) - rank(b);
}

function badge(status, id = "") {
  return make("span", { class: `call-type ${status}` }, `${t(`catalogue.${status}`)} ${id}`.trim());
}

// The status and the id of the type of a card; null for cards of other runs.
export function callTypeBadge(key) {
  const type = typeOf(key);
  return type ? badge(type.status, type.id) : null;
}

function lineOf(status, open) {
  const infos = page.clusters.filter((info) => info.call_type?.status === status);
  const rois = infos.reduce((sum, info) => sum + info.size, 0);
  const links = infos
    .slice(0, LISTED)
    .flatMap((info, i) => [
      i ? ", " : " ",
      make(
        "button",
        { type: "button", class: "link", onclick: () => open(info.number) },
        review.nameOf(info.number) || info.call_type.id,
      ),
    ]);
  const more = infos.length - LISTED;
  return make(
    "li",
    {},
    badge(status),
    ` ${t(`catalogue.${status}_types`, { n: infos.length, rois: count("roi", rois) })}`,
    links,
    more > 0 ? ` ${t("unit.more", { n: more })}` : null,
  );
}

function unknownLine() {
  const inside = page.clusters.reduce((sum, info) => sum + info.size, 0);
  return make(
    "li",
    {},
    badge("unknown"),
    " ",
    make(
      "button",
      { type: "button", class: "link", onclick: () => showTab("noise", true) },
      t("catalogue.unknown_rois", { n: points.cluster.length - inside }),
    ),
  );
}

// Show the types above the cards. `open` shows the card of a cluster.
export function startCallTypes(open) {
  if (!hasCallTypes) return;
  const list = make("ul", { class: "call-types" });
  const title = make("h3", { id: "call-types-title" }, t("catalogue.title"));
  byId("view-clusters").prepend(
    make("section", { class: "block", "aria-labelledby": "call-types-title" }, title, list),
  );
  const fill = () =>
    list.replaceChildren(...STATUSES.map((status) => lineOf(status, open)), unknownLine());
  review.changed.subscribe(fill);
  fill();
}
