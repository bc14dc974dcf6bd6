// The cards of clusters. The body of a card is created when it comes near the visible part.

const cards = (() => {
  const entries = new Map(); // by number of the cluster
  const currentChanged = createEvent();
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
    probability: ["probability, lowest first", (a, b) => a.probability - b.probability],
    low: ["frequency", (a, b) => (a.band?.low_hz ?? 0) - (b.band?.low_hz ?? 0)],
    recordings: ["fewest recordings", (a, b) => a.n_recordings - b.n_recordings || b.size - a.size],
  };
  const singleRecording = new Map(page.details.confounders.single_recording);

  function createHeader(info) {
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
    const swatchSlot = make("span");
    const state = make("p", { class: "state", hidden: true });
    const reject = make(
      "button",
      { type: "button", "aria-pressed": "false", onclick: () => review.reject(info.number) },
      "Reject",
    );
    const unmerge = make(
      "button",
      { type: "button", onclick: () => review.unmerge(info.number), hidden: true },
      "Unmerge",
    );
    const header = make(
      "header",
      {},
      make("h3", { id: `cluster-${info.number}` }, swatchSlot, `Cluster ${info.number}`),
      make("span", { class: "size" }, `${plural(info.size, "ROI")}, ${percent(info.share)}`),
      make("span", { class: "spacer" }),
      name,
      make(
        "button",
        { type: "button", "aria-haspopup": "dialog", onclick: () => openMerge(info.number) },
        "Merge",
      ),
      unmerge,
      reject,
      state,
    );
    return { header, name, state, reject, unmerge, swatchSlot };
  }

  function createCard(info) {
    const parts = createHeader(info);
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

  function meanSpectrogram(info) {
    const { low_hz: low, high_hz: high, span_s: span } = page.scale;
    if (!info.mean_image)
      return make(
        "p",
        { class: "muted" },
        "No mean spectrogram: no clip of this cluster is in the page.",
      );
    const image = make("img", {
      src: `data:image/webp;base64,${info.mean_image}`,
      width: page.scale.width,
      height: page.scale.height,
      alt: `Mean spectrogram of ${plural(info.n_averaged, "ROI")}, ${kilohertz(low)} to ${kilohertz(high)} kilohertz`,
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
      make("div", { class: "thumbnail" }, image),
      make(
        "div",
        { class: "time", "aria-hidden": "true" },
        make("span", {}, `mean of ${info.n_averaged}`),
        make("span", {}, seconds(span)),
      ),
    );
  }

  function nearestButtons(info) {
    return info.nearest.map(([number, distance]) =>
      make(
        "button",
        {
          type: "button",
          title: `distance between centres ${distance.toFixed(3)}`,
          onclick: () => show(number),
        },
        `${number}`,
      ),
    );
  }

  function properties(info) {
    const [short, middle, long] = info.duration;
    return definitionList([
      [
        "Frequency",
        info.band &&
          `${kilohertz(info.band.low_hz)} – ${kilohertz(info.band.high_hz)} kHz${info.band.measured ? " (from the mean spectrogram)" : ""}`,
      ],
      ["Length", short === long ? seconds(middle) : `${seconds(short)} – ${seconds(long)}`],
      ["Probability", `mean ${info.probability.toFixed(2)}`],
      ["Persistence", info.persistence === null ? "not in this run" : info.persistence.toFixed(3)],
      ["Recordings", info.n_recordings.toLocaleString("en")],
      ["Nearest", info.nearest.length ? make("span", {}, nearestButtons(info)) : null],
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
          ? hourChart(info.hours)
          : make("p", {}, "The time of these recordings is unknown."),
      ),
      make(
        "div",
        {},
        make(
          "h4",
          {},
          info.n_recordings > info.recordings.length
            ? `Recordings, the top ${info.recordings.length} of ${info.n_recordings}`
            : "Recordings",
        ),
        barChart(info.recordings.map(names("recording")), true),
      ),
      info.labels.length
        ? make(
            "div",
            {},
            make("h4", {}, "Labels (not used)"),
            barChart(info.labels.map(names("label"))),
          )
        : null,
    );
  }

  function fillBody({ info, body }) {
    if (body.childElementCount) return;
    const playlist = [info.medoid, ...info.typical, ...info.borderline];
    const noteOf = (row) => (row === info.medoid ? "medoid" : "");
    body.append(
      make("div", {}, meanSpectrogram(info), properties(info)),
      make(
        "div",
        {},
        make("h4", {}, "Most typical"),
        clipGrid([info.medoid, ...info.typical], noteOf, playlist),
        info.borderline.length ? make("h4", {}, "Borderline") : null,
        info.borderline.length ? clipGrid(info.borderline, () => "", playlist) : null,
      ),
      occurrence(info),
    );
  }

  function update({ info, article, name, state, reject, unmerge, swatchSlot }) {
    const number = info.number;
    if (document.activeElement !== name) name.value = review.nameOf(number);
    const isRejected = review.isRejected(number);
    const others = review.mergedWith(number);
    const sentences = [
      isRejected ? "Rejected: its ROIs are excluded." : "",
      others.length ? `Merged with ${others.map((other) => `cluster ${other}`).join(", ")}.` : "",
      singleRecording.get(number) ?? "",
    ].filter(Boolean);
    state.textContent = sentences.join(" ");
    state.hidden = !sentences.length;
    reject.setAttribute("aria-pressed", String(isRejected));
    reject.textContent = isRejected ? "Restore" : "Reject";
    unmerge.hidden = !others.length;
    article.classList.toggle("rejected", isRejected);
    swatchSlot.replaceChildren(
      swatch(isRejected ? noGroupStyle() : groupStyle(review.groupOf(number))),
    );
  }

  function setCurrent(number) {
    if (current !== null) entries.get(current)?.article.classList.remove("current");
    current = number;
    entries.get(number)?.article.classList.add("current");
    currentChanged(number);
  }

  function focus(number) {
    const { article } = entries.get(number);
    article.focus({ preventScroll: true });
    article.scrollIntoView({ block: "nearest" });
  }

  function show(number) {
    showTab("clusters");
    const entry = entries.get(number);
    if (entry.article.hidden) {
      byId("find").value = "";
      filter();
    }
    superclusters.reveal(number);
    fillBody(entry);
    setCurrent(number);
    focus(number);
  }

  // Show the card of a cluster that was clicked on the map, where cards scroll beside the map.
  function scrollTo(number) {
    if (clusters.has(number) && matchMedia("(min-width: 1000px)").matches) {
      superclusters.reveal(number);
      entries.get(number).article.scrollIntoView({ block: "nearest" });
    }
  }

  function step(by) {
    const visible = [...byId("cards").querySelectorAll("article.card")]
      .filter((article) => !article.hidden)
      .map((article) => Number(article.dataset.cluster));
    if (!visible.length) return showStatus("No cluster is visible.");
    const index = visible.indexOf(current);
    show(visible[index < 0 ? 0 : Math.min(Math.max(index + by, 0), visible.length - 1)]);
  }

  function sort() {
    const [, compare] = SORTS[byId("sort").value];
    superclusters.arrange(
      [...page.clusters].sort(compare).map((info) => entries.get(info.number).article),
      byId("sort").value === "size",
    );
  }

  function filter() {
    const query = byId("find").value.trim().toLowerCase();
    for (const { info, article } of entries.values()) {
      const words = [
        String(info.number),
        `cluster ${info.number}`,
        review.nameOf(info.number),
        ...info.labels.map(([code]) => page.names.label[code]),
      ];
      article.hidden =
        Boolean(query) &&
        !words.some(
          (word) => word === query || (query.length > 2 && word.toLowerCase().includes(query)),
        );
    }
    superclusters.filtered(Boolean(query));
  }

  function start() {
    for (const [value, [label]] of Object.entries(SORTS))
      byId("sort").append(make("option", { value }, label));
    for (const info of page.clusters) entries.set(info.number, createCard(info));
    superclusters.start();
    sort();
    filter();
    if (!page.clusters.length)
      byId("cards").append(
        make(
          "p",
          { class: "block" },
          "There are no clusters: all ROIs are noise, because fewer similar ROIs than clustering.min_cluster_size were found. Try a smaller value, or more recordings.",
        ),
      );
    const observer = new IntersectionObserver(
      (changes) => {
        for (const entry of changes) {
          if (!entry.isIntersecting) continue;
          fillBody(entries.get(Number(entry.target.dataset.cluster)));
          observer.unobserve(entry.target);
        }
      },
      { rootMargin: "600px" },
    );
    for (const { article } of entries.values()) observer.observe(article);
    const refresh = () => {
      entries.forEach(update);
      updateClips();
    };
    review.changed.subscribe(refresh);
    themeChanged.subscribe(refresh);
    player.chosen.subscribe((row) => {
      if (clusters.has(points.cluster[row]) && points.cluster[row] !== current)
        setCurrent(points.cluster[row]);
      updateClips();
    });
    refresh();
    byId("sort").addEventListener("change", sort);
    byId("find").addEventListener("input", filter);
    const names = make(
      "datalist",
      { id: "known-names" },
      page.names.label.map((value) => make("option", { value })),
    );
    document.body.append(names);
  }

  return {
    currentChanged,
    show,
    scrollTo,
    step,
    start,
    get current() {
      return current;
    },
    editName() {
      if (current === null) step(1);
      if (current === null) return;
      show(current);
      entries.get(current).name.focus();
      entries.get(current).name.select();
    },
  };
})();
