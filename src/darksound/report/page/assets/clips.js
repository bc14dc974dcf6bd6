// Clips and the player: the current ROI is shown at the bottom of the page.

const player = (() => {
  const audio = byId("audio");
  const chosen = createEvent();
  let current = null;
  let playlist = []; // rows for the previous and next buttons
  let loaded = null;

  function showRow(row) {
    const cluster = points.cluster[row];
    const title = cluster === NOISE ? "Noise" : review.titleOf(cluster);
    const probability =
      cluster === NOISE ? "" : `, probability ${shareOf(points.probability[row]).toFixed(2)}`;
    byId("player-title").textContent = `${title}${probability}`;
    byId("player-about").textContent = media.has(row)
      ? `${timesOf(row)} in ${recordingOf(row)}`
      : `${media.missingReason(row)} ${timesOf(row)} in ${recordingOf(row)}`;
    byId("player-thumbnail").replaceChildren(thumbnail(row, true));
    byId("play").disabled = !media.has(row);
    const isRejected = review.isClipRejected(row);
    byId("reject-clip").setAttribute("aria-pressed", String(isRejected));
    byId("reject-clip").textContent = isRejected ? "Restore clip" : "Reject clip";
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
    const card = clusters.get(points.cluster[row]);
    if (!card)
      return [
        row,
        ...media.order.filter((other) => points.cluster[other] === NOISE && other !== row),
      ];
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
      if (error.name !== "AbortError") showStatus(`This sound cannot be played: ${error.message}`);
    });
  }

  function toggle() {
    if (current === null) {
      const [first] = page.clusters;
      if (first) play(first.medoid);
    } else if (audio.paused) play();
    else audio.pause();
  }

  function step(by) {
    if (!playlist.length) return toggle();
    const count = playlist.length;
    play(playlist[(playlist.indexOf(current) + by + count) % count]);
  }

  function rejectCurrent() {
    if (current === null) return showStatus("No clip is selected.");
    const isRejected = !review.isClipRejected(current);
    review.rejectClips([current], isRejected);
    showStatus(isRejected ? "Clip rejected." : "Clip restored.");
  }

  function start() {
    byId("play").disabled = !media.count;
    const updateButton = () => {
      byId("play").textContent = audio.paused || audio.ended ? "Play" : "Pause";
    };
    for (const name of ["play", "playing", "pause", "ended"])
      audio.addEventListener(name, updateButton);
    audio.addEventListener("error", () => {
      if (loaded !== null)
        showStatus("This sound cannot be played; is the folder report_media beside the page?");
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

function clipButton(row, note, rows) {
  const cluster = points.cluster[row];
  const score =
    cluster === NOISE
      ? `outlier ${shareOf(points.outlier_score[row]).toFixed(2)}`
      : `p ${shareOf(points.probability[row]).toFixed(2)}`;
  const button = make(
    "button",
    {
      type: "button",
      class: "clip",
      title: `${recordingOf(row)}, ${timesOf(row)}`,
      "aria-label": `Play ${note}${note ? " " : ""}clip, ${score}, ${recordingOf(row)}, ${timesOf(row)}`,
      onclick: () => player.play(row, rows),
    },
    thumbnail(row),
    make("small", {}, make("b", {}, note), score),
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

function updateClips() {
  for (const [row, buttons] of clipButtons) for (const button of buttons) updateClip(button, row);
}

function clipGrid(rows, noteOf = () => "", playlist = rows) {
  return make(
    "div",
    { class: "clips" },
    rows.map((row, i) => clipButton(row, noteOf(row, i), playlist)),
  );
}
