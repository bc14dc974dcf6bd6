// The first view: the answer in sentences, and the cards that come first. Both follow the review.

import { hasHours, peakHour } from "./activity.js";
import { answer, startHere } from "./answer.js";
import { cards } from "./cards.js";
import { player } from "./clips.js";
import { clusters, page, points } from "./data.js";
import { flagShares } from "./describe.js";
import { byId, make, storage } from "./elements.js";
import { decimal, flagText, t } from "./language.js";
import { thumbnail } from "./media.js";
import { partition } from "./partition.js";
import { review } from "./review.js";
import { amount, count, percent } from "./values.js";
import { grade, withTerms } from "./words.js";

const FOLDED = "darksound:answer-folded";
const LINKED = 5;
const LEAST_FLAGGED = 3;

function distinct(codes, rows) {
  return new Set(rows.map((row) => codes[row]).filter((code) => code >= 0));
}

// The distance of the nearest other type, and the least stability of the clusters of a type.
function ofClusters(rows) {
  const infos = [...distinct(points.cluster, rows)].map((number) => clusters.get(number));
  const distances = infos.flatMap((info) => info.nearest.slice(0, 1).map(([, d]) => d));
  const stabilities = infos.map((info) => info.stability).filter((value) => value !== null);
  return {
    isolation: distances.length ? Math.min(...distances) : null,
    stability: stabilities.length ? Math.min(...stabilities) : null,
  };
}

function typesNow() {
  return [...partition.groups.groups.values()].map(({ key, rows, type }) => {
    const recorders = distinct(points.recorder, rows);
    return {
      key,
      card: type.key,
      n: rows.length,
      recordings: distinct(points.recording, rows).size,
      sites: distinct(points.site, rows).size,
      flags:
        rows.length < LEAST_FLAGGED
          ? page.names.flags.map(() => 0)
          : flagShares(rows, points.flags, page.names.flags.length),
      recorder: recorders.size === 1 ? page.names.recorder[[...recorders][0]] : null,
      ...ofClusters(rows),
    };
  });
}

function totalsNow() {
  const { of } = partition.groups;
  let [clustered, rejected] = [0, 0];
  const hours = new Array(24).fill(0);
  for (let row = 0; row < page.n; row++) {
    if (of[row] >= 0) {
      clustered++;
      if (points.hour[row] >= 0) hours[points.hour[row]]++;
    } else if (review.isRoiRejected(row)) rejected++;
  }
  return {
    n: page.n,
    clustered,
    rejected,
    hours: hasHours ? null : hours,
    peak: hasHours ? peakHour() : null,
    recordings: page.n_recordings,
    sites: page.names.site.length,
    recorders: page.names.recorder.length,
    flagNames: page.names.flags.map(flagText),
    // The interval is of the clusters that the run found.
    interval: partition.isOwn ? page.types : null,
    named: partition.isOwn ? review.counts().named : 0,
  };
}

function titleOfGroup(key) {
  return partition.groups.groups.get(key)?.title ?? "";
}

function openCard(key) {
  const { type } = partition.groups.groups.get(key);
  cards.show(type.key);
  player.play(partition.infoOf(type.key).medoid);
}

function link(key) {
  return make(
    "button",
    { type: "button", class: "link", onclick: () => openCard(key) },
    titleOfGroup(key),
  );
}

function sentence({ key, values, keys }) {
  const shown = { ...values };
  if (shown.share !== undefined) shown.share = percent(shown.share);
  if (shown.rate !== undefined) shown.rate = amount(shown.rate);
  if (shown.rois !== undefined) shown.rois = count("roi", shown.rois);
  const links = keys.slice(0, LINKED).flatMap((each, i) => [i ? ", " : " ", link(each)]);
  const more = keys.length - LINKED;
  return make(
    "li",
    {},
    withTerms(t(key, shown)),
    links,
    more > 0 ? ` ${t("unit.more", { n: more })}` : null,
  );
}

function showAnswer() {
  const types = typesNow();
  const totals = totalsNow();
  const [first, ...others] = answer(types, totals);
  if (page.dbcv !== null && partition.isOwn)
    others.push({
      key: "answer.dbcv",
      values: { value: decimal(page.dbcv, 2), grade: grade("dbcv", page.dbcv) },
      keys: [],
    });
  byId("answer-headline").replaceChildren(...sentence(first).childNodes);
  byId("answer-list").replaceChildren(...others.map(sentence));
  const start = startHere(types, totals);
  byId("start-list").replaceChildren(
    ...start.map(({ key, reason }) => {
      const { type } = partition.groups.groups.get(key);
      return make(
        "li",
        {},
        make(
          "button",
          { type: "button", class: "start", onclick: () => openCard(key) },
          thumbnail(partition.infoOf(type.key).medoid),
          make("b", {}, titleOfGroup(key)),
          make("small", {}, t(`start.${reason}`)),
        ),
      );
    }),
  );
  byId("start").hidden = !start.length;
}

export function startFirstView() {
  const details = byId("answer");
  details.open = storage.read(FOLDED) !== "yes";
  details.addEventListener("toggle", () => storage.write(FOLDED, details.open ? "no" : "yes"));
  partition.changed.subscribe(showAnswer);
  showAnswer();
}
