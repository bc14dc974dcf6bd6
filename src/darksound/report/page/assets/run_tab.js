// The tabs of noise, of the selection, and of the run.

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

function section(title, ...children) {
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
  const countAndShare = (count) => `${plural(count, "ROI")} (${percent(count / noise.size)})`;
  return [
    noise.reason,
    noise.assigned
      ? `${countAndShare(noise.assigned)}: the learner assigns them to a cluster with a probability of at least ${percent(noise.min_assigned_probability)}. They stay noise; their assigned cluster is a separate column.`
      : null,
    noise.rejected
      ? `${countAndShare(noise.rejected)}: the learner assigns them to no cluster. These may be rare sounds, several sounds at once, or no birds.`
      : null,
    noise.not_computed
      ? `${countAndShare(noise.not_computed)}: no assignment was computed, because there are fewer than two clusters.`
      : null,
    noise.faint
      ? `${countAndShare(noise.faint)} are faint: their SNR is below ${noise.faint_db.toFixed(1)} dB, the lowest tenth of the clustered ROIs.`
      : null,
    ...noise.flagged.map(
      ([flag, count]) => `${countAndShare(count)} have the quality flag “${flag}”.`,
    ),
  ].filter(Boolean);
}

function showNoiseTab() {
  const { noise } = page;
  const view = byId("view-noise");
  if (!noise.size) {
    view.replaceChildren(section("No noise", make("p", {}, "Every ROI is in a cluster.")));
    return;
  }
  const withSound = noise.examples.filter((row) => media.has(row));
  view.replaceChildren(
    section(
      `${plural(noise.size, "ROI")} in no cluster, ${percent(noise.share)} of all`,
      bulletList(noiseReasons(noise)),
    ),
    section(
      "Highest outlier scores",
      make(
        "p",
        { class: "muted" },
        "These ROIs differ most from all others; look here for rare sounds. The arrow shows the cluster that the learner assigns.",
      ),
      withSound.length
        ? clipGrid(withSound, (row) =>
            points.assigned[row] === NOISE ? "" : `→ ${points.assigned[row]}`,
          )
        : make("p", {}, "None of them has sound in this page."),
    ),
    section(
      "Where and when",
      make(
        "div",
        { class: "charts" },
        make(
          "div",
          {},
          make("h4", {}, "Outlier score"),
          columnChart(
            noise.outlier_bins,
            (i, full) =>
              full ? `${i / 10} to ${(i + 1) / 10}` : i % 5 === 0 ? String(i / 10) : "",
            "Noise ROIs by outlier score",
          ),
        ),
        make(
          "div",
          {},
          make("h4", {}, "Hour of the day"),
          noise.hours
            ? hourChart(noise.hours)
            : make("p", {}, "The time of these recordings is unknown."),
        ),
        make(
          "div",
          {},
          make("h4", {}, "Recordings with the most noise ROIs"),
          barChart(
            noise.recordings.map(([code, count]) => [page.names.recording[code], count]),
            true,
          ),
        ),
      ),
    ),
  );
}

const MAX_CLIPS = 60;

function showSelectionTab(rows) {
  const view = byId("view-selection");
  byId("tab-selection").textContent = rows.length
    ? `Selection (${rows.length.toLocaleString("en")})`
    : "Selection";
  if (!rows.length) {
    view.replaceChildren(
      section(
        "Nothing is selected",
        make(
          "p",
          {},
          "Press Lasso (or hold Shift) and draw around points of the map, or press Select view to select all ROIs in view.",
        ),
      ),
    );
    return;
  }
  const counts = new Map();
  for (const row of rows)
    counts.set(points.cluster[row], (counts.get(points.cluster[row]) ?? 0) + 1);
  const order = [...counts].sort((a, b) => b[1] - a[1]);
  const selected = new Set(rows);
  const withSound = [...media.order].filter((row) => selected.has(row)).slice(0, MAX_CLIPS);
  const setRejected = (isRejected) => () => {
    review.rejectClips(rows, isRejected);
    showStatus(`${plural(rows.length, "ROI")} ${isRejected ? "rejected" : "restored"}.`);
  };
  view.replaceChildren(
    section(
      plural(rows.length, "ROI"),
      make(
        "div",
        { class: "bar" },
        make("button", { type: "button", onclick: setRejected(true) }, "Reject all"),
        make("button", { type: "button", onclick: setRejected(false) }, "Restore all"),
      ),
      barChart(
        order
          .slice(0, 12)
          .map(([cluster, count]) => [
            cluster === NOISE ? "noise" : review.titleOf(cluster),
            count,
          ]),
      ),
      order.length > 12
        ? make("p", { class: "muted" }, `and ${order.length - 12} more clusters`)
        : null,
    ),
    section(
      "Clips",
      withSound.length
        ? clipGrid(withSound, (row) =>
            points.cluster[row] === NOISE ? "noise" : String(points.cluster[row]),
          )
        : make("p", {}, "None of these ROIs has sound in this page."),
      make(
        "p",
        { class: "muted" },
        `${withSound.length.toLocaleString("en")} of them are shown: those with sound, the most typical first.`,
      ),
    ),
  );
}

function accumulationSection() {
  const nouns = { recording: "recordings", hour: "hours with a ROI" };
  const [byRecording, byHour] = page.details.accumulation;
  const recorded = page.details.recorded ? ` (${page.details.recorded} of sound)` : "";
  // Equal numbers of units mean that each recording is one hour.
  const shown = byHour.units === byRecording.units ? [byRecording] : [byRecording, byHour];
  return section(
    "Unseen clusters",
    make(
      "div",
      { class: "charts" },
      shown.map((accumulation) =>
        make(
          "div",
          {},
          make("h4", {}, `Clusters by number of ${nouns[accumulation.unit]}`),
          accumulation.curve.units.length > 1
            ? lineChart({
                x: accumulation.curve.units,
                series: [{ name: "clusters", y: accumulation.curve.mean }],
                band: accumulation.curve,
                xLabel: nouns[accumulation.unit],
                description: `Clusters in 1 to ${accumulation.units} ${nouns[accumulation.unit]}: ${accumulation.observed} in total`,
              })
            : null,
          make(
            "p",
            {},
            `${accumulation.observed} clusters in ${accumulation.units.toLocaleString("en")} ${nouns[accumulation.unit]}${recorded}. Chao2 estimates ${accumulation.chao2.toFixed(1)} in total (95 % interval ${accumulation.low.toFixed(1)} to ${accumulation.high.toFixed(1)})${accumulation.unseen >= 0.5 ? `, so about ${Math.round(accumulation.unseen)} may be unseen` : ""}.`,
          ),
        ),
      ),
    ),
    make(
      "p",
      { class: "muted" },
      "The curve is the mean over all orders of the recordings; the band is its 95 % interval.",
    ),
  );
}

function confoundersSection() {
  const { rows, warnings, single_recording: singleRecording } = page.details.confounders;
  const all = [...warnings, ...singleRecording.map(([, sentence]) => sentence)];
  return section(
    "Confounders",
    make(
      "p",
      {},
      "Agreement (AMI) of the clusters with place and time of recording: 0 is none, 1 means the same groups. With a high value, clusters may separate places or recorders rather than call types.",
    ),
    table(
      "Confounders",
      ["", "groups", "ROIs", "AMI"],
      rows.map(([what, groups, rois, ami]) => [
        what,
        groups ? groups.toLocaleString("en") : "unknown",
        groups ? rois.toLocaleString("en") : "",
        ami === null ? "" : ami.toFixed(3),
      ]),
    ),
    all.length
      ? make(
          "div",
          { class: "warnings" },
          bulletList(all.slice(0, 12)),
          all.length > 12 ? make("p", {}, `and ${all.length - 12} more`) : null,
        )
      : null,
  );
}

function showRunTab() {
  const { details } = page;
  const { curves, problems } = details;
  byId("view-run").replaceChildren(
    ...[
      section(
        "Iterations",
        ...details.tables.map(({ title, columns: headings, rows, marked }) =>
          make("div", {}, make("h4", {}, title), table(title, headings, rows, marked)),
        ),
        curves.x.length > 1
          ? lineChart({
              ...curves,
              marked: curves.kept[0],
              xLabel: "iteration (dashed: kept)",
              description: "Metrics by iteration",
            })
          : null,
        curves.x.length > 1 ? lineLegend(curves.series) : null,
        make(
          "p",
          { class: "muted" },
          "The iteration in bold was kept, by a criterion that uses no labels. Compare metrics together with coverage: they also rise when difficult ROIs become noise.",
        ),
        details.notes.length ? bulletList(details.notes) : null,
      ),
      accumulationSection(),
      confoundersSection(),
      section(
        "Run",
        definitionList(details.facts),
        make("h4", {}, "Versions"),
        definitionList(details.versions),
      ),
      problems.count
        ? section(
            `${plural(problems.count, "skipped input")}`,
            table("Skipped inputs", ["recording", "cause"], problems.first),
          )
        : null,
      section(
        "Settings",
        make(
          "details",
          {},
          make("summary", {}, "All settings (content of settings.toml)"),
          make("pre", { tabindex: "0" }, details.settings),
        ),
      ),
      section(
        "This page",
        definitionList([
          [
            "Sound",
            media.count === page.n
              ? `all ${plural(page.n, "ROI")}`
              : `${media.count.toLocaleString("en")} of ${plural(page.n, "ROI")}, typical and borderline ones first`,
          ],
          [
            "Clips",
            `a little longer than the ROI, scaled to the same peak, at most ${page.scale.max_clip_s} s`,
          ],
          [
            "Thumbnails",
            `${seconds(page.scale.span_s)} wide, ${kilohertz(page.scale.low_hz)} to ${kilohertz(page.scale.high_hz)} kHz, levels from the background of a clip to its peak`,
          ],
          ["Terms", "are explained in the glossary of the documentation (docs/glossary.md)"],
          ["Made by", `darksound ${page.version}`],
        ]),
      ),
    ].filter((part) => part !== null),
  );
}
