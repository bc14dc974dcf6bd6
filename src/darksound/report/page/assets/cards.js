// A card a cluster. What lies below its head is made when it comes near the view.

const cards = (() => {
  const made = new Map(); // by number: {card, parts}
  const moved = signal();
  let current = null;
  const SORTS = {
    size: ["size", (a, b) => b.size - a.size || a.number - b.number],
    name: [
      "name",
      (a, b) =>
        review
          .titleOf(a.number)
          .localeCompare(review.titleOf(b.number), undefined, { numeric: true }) ||
        a.number - b.number,
    ],
    persistence: ["persistence", (a, b) => (b.persistence ?? 0) - (a.persistence ?? 0)],
    probability: ["least sure first", (a, b) => a.probability - b.probability],
    low: ["frequency", (a, b) => (a.band?.low_hz ?? 0) - (b.band?.low_hz ?? 0)],
    lone: ["fewest recordings", (a, b) => a.n_recordings - b.n_recordings || b.size - a.size],
  };
  const lone = new Map(page.story.confounders.lone);

  function head(info) {
    const name = make("input", {
      class: "name",
      placeholder: "Name this cluster",
      "aria-label": `Name of cluster ${info.number}`,
      autocomplete: "off",
      list: "known-names",
      maxlength: 80,
      onchange: (event) => review.name(info.number, event.target.value),
      onkeydown: (event) => {
        if (event.key === "Enter") {
          event.preventDefault();
          event.target.blur();
          focus(info.number);
        }
        if (event.key === "Escape") {
          event.target.value = review.nameOf(info.number);
          focus(info.number);
        }
      },
    });
    const swatchPlace = make("span");
    const state = make("p", { class: "state", hidden: true });
    const reject = make(
      "button",
      { type: "button", "aria-pressed": "false", onclick: () => review.reject(info.number) },
      "Reject",
    );
    const part = make(
      "button",
      { type: "button", onclick: () => review.part(info.number), hidden: true },
      "Part",
    );
    const header = make(
      "header",
      {},
      make("h3", { id: `cluster-${info.number}` }, swatchPlace, `Cluster ${info.number}`),
      make("span", { class: "size" }, `${plural(info.size, "ROI")}, ${percent(info.share)}`),
      make("span", { class: "push" }),
      name,
      make(
        "button",
        { type: "button", "aria-haspopup": "dialog", onclick: () => openMerge(info.number) },
        "Merge",
      ),
      part,
      reject,
      state,
    );
    return { header, name, state, reject, part, swatchPlace };
  }

  function card(info) {
    const parts = head(info);
    const body = make("div", { class: "body" });
    const article = make(
      "article",
      {
        class: "card",
        tabindex: "-1",
        "aria-labelledby": `cluster-${info.number}`,
        onfocusin: () => {
          if (current !== info.number) setCurrent(info.number);
        },
      },
      parts.header,
      body,
    );
    article.dataset.cluster = info.number;
    return { info, article, body, ...parts };
  }

  function mean(info) {
    const { low_hz: low, high_hz: high, span_s: span } = page.scale;
    if (!info.mean)
      return make(
        "p",
        { class: "muted" },
        "No mean spectrogram: no clip of this cluster was heard.",
      );
    const picture = make("img", {
      src: `data:image/webp;base64,${info.mean}`,
      width: page.scale.width,
      height: page.scale.height,
      alt: `Mean spectrogram of ${plural(info.averaged, "ROI")}, ${kilohertz(low)} to ${kilohertz(high)} kilohertz`,
    });
    return make(
      "figure",
      { class: "mean" },
      make(
        "div",
        { class: "axis", "aria-hidden": "true" },
        make("span", {}, kilohertz(high)),
        make("span", {}, "kHz"),
        make("span", {}, kilohertz(low)),
      ),
      make("div", { class: "shot" }, picture),
      make(
        "div",
        { class: "time", "aria-hidden": "true" },
        make("span", {}, `mean of ${info.averaged}`),
        make("span", {}, seconds(span)),
      ),
    );
  }

  function near(info) {
    return info.nearest.map(([number, distance]) =>
      make(
        "button",
        {
          type: "button",
          title: `distance between centres ${distance.toFixed(3)}`,
          onclick: () => go(number),
        },
        `${number}`,
      ),
    );
  }

  function about(info) {
    const [short, middle, long] = info.duration;
    return facts([
      [
        "Frequency",
        info.band &&
          `${kilohertz(info.band.low_hz)} – ${kilohertz(info.band.high_hz)} kHz${info.band.measured ? " (from the picture)" : ""}`,
      ],
      ["Length", short === long ? seconds(middle) : `${seconds(short)} – ${seconds(long)}`],
      ["Probability", `mean ${info.probability.toFixed(2)}`],
      [
        "Persistence",
        info.persistence === null ? "not kept by this run" : info.persistence.toFixed(3),
      ],
      ["Recordings", info.n_recordings.toLocaleString("en")],
      ["Nearest", info.nearest.length ? make("span", {}, near(info)) : null],
    ]);
  }

  function occurrence(info) {
    const names =
      (what) =>
      ([code, count]) => [page.names[what][code], count];
    return make(
      "div",
      { class: "charts wide" },
      make(
        "div",
        {},
        make("h4", {}, "Hour of the day"),
        info.hours
          ? hourColumns(info.hours)
          : make("p", {}, "These recordings do not tell when they were made."),
      ),
      make(
        "div",
        {},
        make(
          "h4",
          {},
          info.n_recordings > info.recordings.length
            ? `Recordings, the first ${info.recordings.length} of ${info.n_recordings}`
            : "Recordings",
        ),
        bars(info.recordings.map(names("recording")), true),
      ),
      info.labels.length
        ? make(
            "div",
            {},
            make("h4", {}, "Labels (not used to cluster)"),
            bars(info.labels.map(names("label"))),
          )
        : null,
    );
  }

  function fill({ info, body }) {
    if (body.childElementCount) return;
    const line = [info.medoid, ...info.typical, ...info.borderline];
    const noteOf = (row) => (row === info.medoid ? "medoid" : "");
    body.append(
      make("div", {}, mean(info), about(info)),
      make(
        "div",
        {},
        make("h4", {}, "Most typical"),
        clipGrid([info.medoid, ...info.typical], noteOf, line),
        info.borderline.length ? make("h4", {}, "Borderline") : null,
        info.borderline.length ? clipGrid(info.borderline, () => "", line) : null,
      ),
      occurrence(info),
    );
  }

  function update({ info, article, name, state, reject, part, swatchPlace }) {
    const number = info.number;
    if (document.activeElement !== name) name.value = review.nameOf(number);
    const out = review.isRejected(number);
    const others = review.mergedWith(number);
    const said = [
      out ? "Rejected: its ROIs drop out." : "",
      others.length ? `One with ${others.map((other) => `cluster ${other}`).join(", ")}.` : "",
      lone.get(number) ?? "",
    ].filter(Boolean);
    state.textContent = said.join(" ");
    state.hidden = !said.length;
    reject.setAttribute("aria-pressed", String(out));
    reject.textContent = out ? "Take back" : "Reject";
    part.hidden = !others.length;
    article.classList.toggle("rejected", out);
    swatchPlace.replaceChildren(swatch(out ? noneStyle() : groupStyle(review.groupOf(number))));
  }

  function setCurrent(number) {
    if (current !== null) made.get(current)?.article.classList.remove("current");
    current = number;
    made.get(number)?.article.classList.add("current");
    moved(number);
  }

  function focus(number) {
    const { article } = made.get(number);
    article.focus({ preventScroll: true });
    article.scrollIntoView({ block: "nearest" });
  }

  function go(number) {
    showTab("clusters");
    const entry = made.get(number);
    if (entry.article.hidden) {
      byId("find").value = "";
      find();
    }
    fill(entry);
    setCurrent(number);
    focus(number);
  }

  // Where cards scroll beside the map, the card of what was pressed there comes into view.
  function reveal(number) {
    if (clusters.has(number) && matchMedia("(min-width: 1000px)").matches) {
      made.get(number).article.scrollIntoView({ block: "nearest" });
    }
  }

  function step(by) {
    const shown = [...byId("cards").children]
      .filter((article) => !article.hidden)
      .map((article) => Number(article.dataset.cluster));
    if (!shown.length) return announce("There is no cluster to go to.");
    const at = shown.indexOf(current);
    go(shown[at < 0 ? 0 : Math.min(Math.max(at + by, 0), shown.length - 1)]);
  }

  function sort() {
    const [, compare] = SORTS[byId("sort").value];
    byId("cards").append(
      ...[...page.clusters].sort(compare).map((info) => made.get(info.number).article),
    );
  }

  function find() {
    const sought = byId("find").value.trim().toLowerCase();
    for (const { info, article } of made.values()) {
      const words = [
        String(info.number),
        `cluster ${info.number}`,
        review.nameOf(info.number),
        ...info.labels.map(([code]) => page.names.label[code]),
      ];
      article.hidden =
        Boolean(sought) &&
        !words.some(
          (word) => word === sought || (sought.length > 2 && word.toLowerCase().includes(sought)),
        );
    }
  }

  function start() {
    for (const [value, [label]] of Object.entries(SORTS))
      byId("sort").append(make("option", { value }, label));
    for (const info of page.clusters) made.set(info.number, card(info));
    sort();
    if (!page.clusters.length)
      byId("cards").append(
        make(
          "p",
          { class: "block" },
          "No cluster was found: all ROIs are noise. Fewer ROIs than clustering.min_cluster_size sound alike; try a smaller one, or more recordings.",
        ),
      );
    const seen = new IntersectionObserver(
      (entries) => {
        for (const entry of entries) {
          if (!entry.isIntersecting) continue;
          fill(made.get(Number(entry.target.dataset.cluster)));
          seen.unobserve(entry.target);
        }
      },
      { rootMargin: "600px" },
    );
    for (const { article } of made.values()) seen.observe(article);
    const refresh = () => {
      made.forEach(update);
      markClips();
    };
    review.changed.subscribe(refresh);
    themeChanged.subscribe(refresh);
    player.chosen.subscribe((row) => {
      if (clusters.has(points.cluster[row]) && points.cluster[row] !== current)
        setCurrent(points.cluster[row]);
      markClips();
    });
    refresh();
    byId("sort").addEventListener("change", sort);
    byId("find").addEventListener("input", find);
    const known = make(
      "datalist",
      { id: "known-names" },
      page.names.label.map((value) => make("option", { value })),
    );
    document.body.append(known);
  }

  return {
    moved,
    go,
    reveal,
    step,
    start,
    get current() {
      return current;
    },
    editName() {
      if (current === null) step(1);
      if (current === null) return;
      go(current);
      made.get(current).name.focus();
      made.get(current).name.select();
    },
  };
})();
