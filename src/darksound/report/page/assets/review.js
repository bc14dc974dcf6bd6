// The review of the page: its model, kept by the browser after each change, and its buttons.

import { page, points } from "./data.js";
import { byId, createEvent, make, showStatus, storage } from "./elements.js";
import { hasText, t } from "./language.js";
import { ReviewError, ReviewModel } from "./review_model.js";
import { count, recordingOf } from "./values.js";

const REVIEW_KEY = `darksound:review:${page.key}`;

class PageReview extends ReviewModel {
  constructor() {
    super(
      {
        ids: page.ids,
        recordings: recordingOf,
        starts: points.start_s,
        ends: points.end_s,
        cluster: points.cluster,
        leaf: points.leaf,
        numbers: page.clusters.map((info) => info.number),
      },
      createEvent(),
    );
    this.isStored = true;
    this.changed.subscribe(() => {
      this.isStored = storage.write(REVIEW_KEY, this.serialised);
    });
    if (!this.restore(storage.read(REVIEW_KEY)) && page.review) {
      this.state = this.fromCsv(page.review).state;
      this.forget();
    }
  }

  // The name of a unit's group, or its number.
  titleOf(unit) {
    return this.nameOf(unit) || t("cluster.title", { number: this.groupOf(unit) });
  }

  titleOfRow(row) {
    const unit = this.units[row];
    return unit < 0 ? t("clip.noise") : this.titleOf(unit);
  }
}

export const review = new PageReview();

function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = make("a", { href: url, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

export function undo() {
  const what = review.undo();
  showStatus(what ? t("review.undone", { what: t(`change.${what}`) }) : t("review.no_undo"));
}

export function redo() {
  const what = review.redo();
  showStatus(what ? t("review.redone", { what: t(`change.${what}`) }) : t("review.no_redo"));
}

async function load(file) {
  try {
    const rows = count("row", review.load(await file.text()));
    showStatus(t("review.loaded", { rows, file: file.name }));
  } catch (error) {
    const isKnown = error instanceof ReviewError && hasText(error.key);
    const cause = isKnown ? t(error.key, error.values) : error.message;
    showStatus(t("review.unusable", { file: file.name, cause }));
  }
}

export function startReview() {
  const saved = { at: review.serialised };
  const show = () => {
    const n = review.reviewed().size;
    byId("save").textContent = n ? t("review.save_count", { n }) : t("review.save");
    byId("undo").disabled = !review.done.length;
    byId("redo").disabled = !review.undone.length;
  };
  review.changed.subscribe(show);
  review.changed.subscribe(() => {
    byId("stored").textContent = review.isStored
      ? t("review.stored")
      : t("review.not_stored_short");
    if (!review.isStored) showStatus(t("review.not_stored"));
  });
  show();
  byId("save").addEventListener("click", () => {
    download("review.csv", "text/csv;charset=utf-8", review.csv());
    saved.at = review.serialised;
    showStatus(t("review.saved", { n: review.reviewed().size }));
  });
  byId("undo").addEventListener("click", undo);
  byId("redo").addEventListener("click", redo);
  byId("load").addEventListener("click", () => byId("load-file").click());
  byId("load-file").addEventListener("change", (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (file) load(file);
  });
  // What neither the browser nor a file keeps would be lost.
  addEventListener("beforeunload", (event) => {
    if (!review.isStored && review.serialised !== saved.at) event.preventDefault();
  });
}
