// Clips and the player: one ROI is current at a time, shown at the foot of the page.

const player = (() => {
  const audio = byId("audio");
  const chosen = signal();
  let current = null;
  let line = []; // rows that previous and next go through
  let loaded = null;

  function tell(row) {
    const cluster = points.cluster[row];
    const where = cluster === NOISE ? "Noise" : review.titleOf(cluster);
    const sure =
      cluster === NOISE ? "" : `, probability ${share(points.probability[row]).toFixed(2)}`;
    byId("player-title").textContent = `${where}${sure}`;
    byId("player-about").textContent = media.has(row)
      ? `${placeOf(row)} in ${recordingOf(row)}`
      : `${media.why(row)} ${placeOf(row)} in ${recordingOf(row)}`;
    byId("player-shot").replaceChildren(shot(row, true));
    byId("play").disabled = !media.has(row);
    const out = review.isClipRejected(row);
    byId("reject-clip").setAttribute("aria-pressed", String(out));
    byId("reject-clip").textContent = out ? "Take back" : "Reject clip";
  }

  function choose(row, among) {
    if (among) line = among;
    else if (!line.includes(row)) line = lineOf(row);
    current = row;
    tell(row);
    chosen(row);
  }

  // The clips on the card of a ROI's cluster, and the ROI itself.
  function lineOf(row) {
    const card = clusters.get(points.cluster[row]);
    if (!card)
      return [
        row,
        ...media.order.filter((other) => points.cluster[other] === NOISE && other !== row),
      ];
    const shown = [card.medoid, ...card.typical, ...card.borderline];
    return shown.includes(row) ? shown : [...shown, row];
  }

  function play(row = current, among) {
    if (row === null) return;
    choose(row, among);
    if (!media.has(row)) {
      audio.pause();
      announce(media.why(row));
      return;
    }
    if (loaded !== row) {
      audio.src = media.sound(row);
      loaded = row;
    }
    audio.currentTime = 0;
    audio.play().catch((error) => {
      if (error.name !== "AbortError") announce(`This sound cannot be played: ${error.message}`);
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
    if (!line.length) return toggle();
    play(line[(line.indexOf(current) + by + line.length) % line.length]);
  }

  function rejectCurrent() {
    if (current === null) return announce("No clip is chosen.");
    const out = !review.isClipRejected(current);
    review.rejectClips([current], out);
    announce(out ? "Clip rejected." : "Clip taken back.");
  }

  function start() {
    byId("play").disabled = !media.count;
    const say = () => {
      byId("play").textContent = audio.paused || audio.ended ? "Play" : "Pause";
    };
    for (const name of ["play", "playing", "pause", "ended"]) audio.addEventListener(name, say);
    audio.addEventListener("error", () => {
      if (loaded !== null)
        announce("This sound cannot be played; is the folder of clips beside the page?");
      loaded = null;
    });
    byId("play").addEventListener("click", toggle);
    byId("next").addEventListener("click", () => step(1));
    byId("previous").addEventListener("click", () => step(-1));
    byId("reject-clip").addEventListener("click", rejectCurrent);
    review.changed.subscribe(() => {
      if (current !== null) tell(current);
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

const clipButtons = new Map(); // by row: the buttons that show it

function clip(row, note, among) {
  const cluster = points.cluster[row];
  const figure =
    cluster === NOISE
      ? `outlier ${share(points.outlier_score[row]).toFixed(2)}`
      : `p ${share(points.probability[row]).toFixed(2)}`;
  const button = make(
    "button",
    {
      type: "button",
      class: "clip",
      title: `${recordingOf(row)}, ${placeOf(row)}`,
      "aria-label": `Play ${note}${note ? " " : ""}clip, ${figure}, ${recordingOf(row)}, ${placeOf(row)}`,
      onclick: () => player.play(row, among),
    },
    shot(row),
    make("small", {}, make("b", {}, note), figure),
  );
  button.dataset.row = row;
  mark(button, row);
  clipButtons.set(row, [
    ...(clipButtons.get(row) ?? []).filter((other) => other.isConnected),
    button,
  ]);
  return button;
}

function mark(button, row) {
  button.classList.toggle("rejected", review.isOut(row));
  button.classList.toggle("playing", player.current === row);
}

function markClips() {
  for (const [row, buttons] of clipButtons) for (const button of buttons) mark(button, row);
}

function clipGrid(rows, noteOf = () => "", among = rows) {
  return make(
    "div",
    { class: "clips" },
    rows.map((row, i) => clip(row, noteOf(row, i), among)),
  );
}
