// Noise and why, the selection, and the story of the run.

function table(title, headings, rows, marked = []) {
  return make(
    "div",
    { class: "scroll" },
    make(
      "table",
      {},
      title ? make("caption", { class: "unseen" }, title) : null,
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

function block(title, ...children) {
  return make("section", { class: "block" }, make("h2", {}, title), children);
}

function list(sentences) {
  return make(
    "ul",
    {},
    sentences.map((sentence) => make("li", {}, sentence)),
  );
}

function whyNoise(noise) {
  const share_ = (count) => `${plural(count, "ROI")} (${percent(count / noise.size)})`;
  return [
    noise.why,
    noise.recognised
      ? `${share_(noise.recognised)} the learner recognises: with at least ${percent(noise.min_assigned_probability)} they belong to a cluster that they lie outside of. They are listed as assigned, and are not in the cluster.`
      : null,
    noise.rejected
      ? `${share_(noise.rejected)} the learner does not recognise: rare sounds, several at once, or no birds.`
      : null,
    noise.not_asked
      ? `Of ${share_(noise.not_asked)} the learner was not asked, since there were fewer than two clusters.`
      : null,
    noise.faint
      ? `${share_(noise.faint)} are faint: less than ${noise.faint_db.toFixed(1)} dB above the background, as only a tenth of the clustered ROIs are.`
      : null,
    ...noise.flagged.map(
      ([flag, count]) => `${share_(count)} lie in sound that is flagged “${flag}”.`,
    ),
  ].filter(Boolean);
}

function showNoise() {
  const { noise } = page;
  const view = byId("view-noise");
  if (!noise.size) {
    view.replaceChildren(block("No noise", make("p", {}, "Every ROI is in a cluster.")));
    return;
  }
  const heard = noise.examples.filter((row) => media.has(row));
  view.replaceChildren(
    block(
      `${plural(noise.size, "ROI")} in no cluster, ${percent(noise.share)} of all`,
      list(whyNoise(noise)),
    ),
    block(
      "The most outlying",
      make(
        "p",
        { class: "muted" },
        "Unlike anything around them: the first place to look for what is rare. An arrow names the cluster that the learner would put a clip into.",
      ),
      heard.length
        ? clipGrid(heard, (row) =>
            points.assigned[row] === NOISE ? "" : `→ ${points.assigned[row]}`,
          )
        : make("p", {}, "None of them has sound in this page."),
    ),
    block(
      "Where and when",
      make(
        "div",
        { class: "charts" },
        make(
          "div",
          {},
          make("h4", {}, "Outlier score"),
          columns(
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
            ? hourColumns(noise.hours)
            : make("p", {}, "These recordings do not tell when they were made."),
        ),
        make(
          "div",
          {},
          make("h4", {}, "Recordings with most"),
          bars(
            noise.recordings.map(([code, count]) => [page.names.recording[code], count]),
            true,
          ),
        ),
      ),
    ),
  );
}

const MOST_CLIPS = 60;

function showSelection(rows) {
  const view = byId("view-selection");
  byId("tab-selection").textContent = rows.length
    ? `Selection (${rows.length.toLocaleString("en")})`
    : "Selection";
  if (!rows.length) {
    view.replaceChildren(
      block(
        "Nothing is selected",
        make(
          "p",
          {},
          "Press Lasso and draw around points of the map, or hold Shift while you draw; or press Select view, which takes all that is in view.",
        ),
      ),
    );
    return;
  }
  const counts = new Map();
  for (const row of rows)
    counts.set(points.cluster[row], (counts.get(points.cluster[row]) ?? 0) + 1);
  const order = [...counts].sort((a, b) => b[1] - a[1]);
  const chosen = new Set(rows);
  const heard = [...media.order].filter((row) => chosen.has(row)).slice(0, MOST_CLIPS);
  const act = (out) => () => {
    review.rejectClips(rows, out);
    announce(`${plural(rows.length, "ROI")} ${out ? "rejected" : "taken back"}.`);
  };
  view.replaceChildren(
    block(
      plural(rows.length, "ROI"),
      make(
        "div",
        { class: "bar" },
        make("button", { type: "button", onclick: act(true) }, "Reject all"),
        make("button", { type: "button", onclick: act(false) }, "Take all back"),
      ),
      bars(
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
    block(
      "Clips",
      heard.length
        ? clipGrid(heard, (row) =>
            points.cluster[row] === NOISE ? "noise" : String(points.cluster[row]),
          )
        : make("p", {}, "None of these ROIs has sound in this page."),
      make(
        "p",
        { class: "muted" },
        `${heard.length.toLocaleString("en")} of them are shown, those with sound first by how typical they are.`,
      ),
    ),
  );
}

function accumulationBlock() {
  const nouns = { recording: "recordings", hour: "hours of sound" };
  const [byRecording, byHour] = page.story.accumulation;
  // Where every recording is an hour of its own, hours tell nothing more.
  const shown = byHour.units === byRecording.units ? [byRecording] : [byRecording, byHour];
  return block(
    "How many clusters are still unseen",
    make(
      "div",
      { class: "charts" },
      shown.map((found) =>
        make(
          "div",
          {},
          make("h4", {}, `Clusters after so many ${nouns[found.unit]}`),
          found.curve.units.length > 1
            ? lines({
                x: found.curve.units,
                series: [{ name: "clusters", y: found.curve.mean }],
                band: found.curve,
                across: nouns[found.unit],
                description: `Clusters after 1 to ${found.units} ${nouns[found.unit]}: ${found.observed} in all`,
              })
            : null,
          make(
            "p",
            {},
            `${found.observed} clusters in ${found.units.toLocaleString("en")} ${nouns[found.unit]}. Chao2 estimates ${found.chao2.toFixed(1)} in all (95 % interval ${found.low.toFixed(1)} to ${found.high.toFixed(1)})${found.unseen >= 0.5 ? `, so some ${Math.round(found.unseen)} may be unseen` : ""}.`,
          ),
        ),
      ),
    ),
    make(
      "p",
      { class: "muted" },
      "The curve is the mean over all orders in which the sound could have been recorded; the band is its 95 % interval.",
    ),
  );
}

function confoundersBlock() {
  const { rows, warnings, lone } = page.story.confounders;
  const all = [...warnings, ...lone.map(([, sentence]) => sentence)];
  return block(
    "What else could explain the clusters",
    make(
      "p",
      {},
      "Agreement (AMI) of the clusters with where and when sound was recorded: 0 none, 1 the same groups. High values mean that clusters may tell places or recorders apart rather than birds.",
    ),
    table(
      "Confounders",
      ["", "groups", "ROIs", "AMI"],
      rows.map(([what, groups, rois, ami]) => [
        what,
        groups ? groups.toLocaleString("en") : "not known",
        groups ? rois.toLocaleString("en") : "",
        ami === null ? "" : ami.toFixed(3),
      ]),
    ),
    all.length
      ? make(
          "div",
          { class: "warnings" },
          list(all.slice(0, 12)),
          all.length > 12 ? make("p", {}, `and ${all.length - 12} more`) : null,
        )
      : null,
  );
}

function showRun() {
  const { story } = page;
  const { curves } = story;
  const problems = story.problems;
  byId("view-run").replaceChildren(
    ...[
      block(
        "Iterations",
        ...story.tables.map(({ title, columns: headings, rows, marked }) =>
          make("div", {}, make("h4", {}, title), table(title, headings, rows, marked)),
        ),
        curves.x.length > 1
          ? lines({
              ...curves,
              marked: curves.kept[0],
              across: "iteration (dashed: the one that was kept)",
              description: "Figures by iteration",
            })
          : null,
        curves.x.length > 1 ? lineKey(curves.series) : null,
        make(
          "p",
          { class: "muted" },
          "The iteration in bold was kept, by a criterion that uses no labels. Coverage stands beside every figure, since leaving out hard ROIs looks like progress.",
        ),
        story.notes.length ? list(story.notes) : null,
      ),
      accumulationBlock(),
      confoundersBlock(),
      block("What was done", facts(story.facts), make("h4", {}, "Versions"), facts(story.versions)),
      problems.count
        ? block(
            `Left out: ${plural(problems.count, "input")}`,
            table("Left out", ["recording", "cause"], problems.first),
          )
        : null,
      block(
        "Settings",
        make(
          "details",
          {},
          make("summary", {}, "All settings, as settings.toml has them"),
          make("pre", { tabindex: "0" }, story.settings),
        ),
      ),
      block(
        "This page",
        facts([
          [
            "Sound",
            media.count === page.n
              ? `all ${plural(page.n, "ROI")}`
              : `${media.count.toLocaleString("en")} of ${plural(page.n, "ROI")}, typical and borderline ones first`,
          ],
          [
            "Clips",
            `start and end a little beyond the ROI and are equally loud; at most ${page.scale.max_clip_s} s`,
          ],
          [
            "Pictures",
            `${seconds(page.scale.span_s)} wide, ${kilohertz(page.scale.low_hz)} to ${kilohertz(page.scale.high_hz)} kHz, from each clip's background to its peak`,
          ],
          ["Made by", `darksound ${page.version}`],
        ]),
      ),
    ].filter((part) => part !== null),
  );
}
