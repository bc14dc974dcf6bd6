// Clips and the player: the current ROI is shown at the bottom of the page.

import { NOISE, page, points, shareOf } from "./data.js";
import { byId, createEvent, make, showStatus } from "./elements.js";
import { decimal, t } from "./language.js";
import { media, thumbnail } from "./media.js";
import { partition } from "./partition.js";
import { review } from "./review.js";
import { recordingOf, timesOf } from "./values.js";

export const player = (() => {
  const audio = byId("audio");
  const chosen = createEvent();
  let current = null;
  let playlist = []; // rows for the previous and next buttons
  let loaded = null;

  function showRow(row) {
    byId("player-title").textContent =
      review.units[row] === NOISE
        ? t("clip.noise")
        : t("clip.title", {
            title: review.titleOfRow(row),
            value: decimal(shareOf(points.probability[row]), 2),
          });
    const where = t("clip.where", { times: timesOf(row), recording: recordingOf(row) });
    byId("player-about").textContent = media.has(row)
      ? where
      : `${media.missingReason(row)} ${where}`;
    byId("player-thumbnail").replaceChildren(thumbnail(row, true));
    byId("play").disabled = !media.has(row);
    const isRejected = review.isClipRejected(row);
    byId("reject-clip").setAttribute("aria-pressed", String(isRejected));
    byId("reject-clip").textContent = isRejected ? t("clip.restore") : t("clip.reject");
  }

  function choose(row, rows) {
    if (rows) playlist = rows;
    else if (!playlist.includes(row)) playlist = playlistOf(row);
    current = row;
    showRow(row);
    chosen(row);
  }

  // The clips on the card of the cluster of a ROI, and the ROI itself.
  function playlistOf(row) {
    const key = partition.typeOf(row);
    if (key === null)
      return [
        row,
        ...media.order.filter((other) => points.cluster[other] === NOISE && other !== row),
      ];
    const card = partition.infoOf(key);
    const shown = [card.medoid, ...card.typical, ...card.borderline];
    return shown.includes(row) ? shown : [...shown, row];
  }

  function play(row = current, rows) {
    if (row === null) return;
    choose(row, rows);
    if (!media.has(row)) {
      audio.pause();
      showStatus(media.missingReason(row));
      return;
    }
    if (loaded !== row) {
      audio.src = media.sound(row);
      loaded = row;
    }
    audio.currentTime = 0;
    audio.play().catch((error) => {
      if (error.name !== "AbortError") showStatus(t("clip.cannot_play", { cause: error.message }));
    });
  }

  function toggle() {
    if (current === null) {
      const [first] = partition.types.keys();
      if (first !== undefined) play(partition.infoOf(first).medoid);
    } else if (audio.paused) play();
    else audio.pause();
  }

  function step(by) {
    if (!playlist.length) return toggle();
    const count = playlist.length;
    play(playlist[(playlist.indexOf(current) + by + count) % count]);
  }

  function rejectCurrent() {
    if (current === null) return showStatus(t("clip.none_selected"));
    const isRejected = !review.isClipRejected(current);
    review.rejectClips([current], isRejected);
    showStatus(t(isRejected ? "clip.rejected" : "clip.restored"));
  }

  function start() {
    byId("play").disabled = !media.count;
    const updateButton = () => {
      byId("play").textContent = t(audio.paused || audio.ended ? "clip.play" : "clip.pause");
    };
    for (const name of ["play", "playing", "pause", "ended"])
      audio.addEventListener(name, updateButton);
    audio.addEventListener("error", () => {
      if (loaded !== null) showStatus(t("clip.no_folder"));
      loaded = null;
    });
    byId("play").addEventListener("click", toggle);
    byId("next").addEventListener("click", () => step(1));
    byId("previous").addEventListener("click", () => step(-1));
    byId("reject-clip").addEventListener("click", rejectCurrent);
    review.changed.subscribe(() => {
      if (current !== null) showRow(current);
    });
  }

  return {
    chosen,
    choose,
    play,
    toggle,
    step,
    rejectCurrent,
    start,
    get current() {
      return current;
    },
  };
})();

const clipButtons = new Map(); // by row

export function clipButton(row, note, rows) {
  const cluster = points.cluster[row];
  const score =
    cluster === NOISE
      ? t("clip.outlier", { value: decimal(shareOf(points.outlier_score[row]), 2) })
      : t("clip.p", { value: decimal(shareOf(points.probability[row]), 2) });
  const button = make(
    "button",
    {
      type: "button",
      class: "clip",
      title: `${recordingOf(row)}, ${timesOf(row)}`,
      "aria-label": t(note ? "clip.label_note" : "clip.label", {
        note,
        score,
        recording: recordingOf(row),
        times: timesOf(row),
      }),
      onclick: () => player.play(row, rows),
    },
    thumbnail(row),
    make("small", {}, make("b", {}, note), " ", score),
  );
  button.dataset.row = row;
  updateClip(button, row);
  clipButtons.set(row, [
    ...(clipButtons.get(row) ?? []).filter((other) => other.isConnected),
    button,
  ]);
  return button;
}

function updateClip(button, row) {
  button.classList.toggle("rejected", review.isRoiRejected(row));
  button.classList.toggle("playing", player.current === row);
}

export function updateClips() {
  for (const [row, buttons] of clipButtons) for (const button of buttons) updateClip(button, row);
}

// Called with a row whose most similar clips are wanted.
export const similarWanted = createEvent();

function similarButton(row) {
  const where = t("clip.where", { times: timesOf(row), recording: recordingOf(row) });
  return make(
    "button",
    {
      type: "button",
      class: "more",
      title: t("similar.more"),
      "aria-label": t("similar.more_like", { where }),
      onclick: () => similarWanted(row),
    },
    "≈",
  );
}

export function clipGrid(rows, noteOf = () => "", playlist = rows) {
  return make(
    "div",
    { class: "clips" },
    rows.map((row, i) =>
      make(
        "div",
        { class: "clip-cell" },
        clipButton(row, noteOf(row, i), playlist),
        media.has(row) && page.similar.count ? similarButton(row) : null,
      ),
    ),
  );
}
