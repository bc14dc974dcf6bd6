// The dialog to merge a cluster into another.

import { cards } from "./cards.js";
import { clipButton } from "./clips.js";
import { byId, make, showStatus } from "./elements.js";
import { t } from "./language.js";
import { partition } from "./partition.js";
import { review } from "./review.js";
import { count } from "./values.js";

export function openMerge(number) {
  const dialog = byId("merge"),
    into = byId("merge-into");
  const units = [...partition.types.keys()];
  const nearest = partition
    .infoOf(number)
    .nearest.map(([other]) => other)
    .filter((other) => units.includes(other));
  const others = units.filter((other) => !nearest.includes(other));
  const choices = [...nearest, ...others].filter(
    (other) => review.groupOf(other) !== review.groupOf(number),
  );
  if (!choices.length) return showStatus(t("merge.none"));
  byId("merge-title").textContent = t("merge.title", { number });
  byId("merge-about").textContent = t("merge.about", { title: review.titleOf(number) });
  into.replaceChildren(
    ...choices.map((other) =>
      make(
        "option",
        { value: other },
        t(review.nameOf(other) ? "merge.option_name" : "merge.option", {
          number: other,
          name: review.nameOf(other),
          rois: count("roi", review.rows.get(other).length),
        }),
      ),
    ),
  );
  const show = () =>
    byId("merge-clips").replaceChildren(
      ...[number, Number(into.value)].map((other) =>
        make(
          "div",
          {},
          make("div", {}, t("cluster.title", { number: other })),
          clipButton(partition.infoOf(other).medoid, t("cluster.medoid")),
        ),
      ),
    );
  into.onchange = show;
  show();
  dialog.returnValue = "";
  dialog.onclose = () => {
    if (dialog.returnValue === "merge") {
      review.merge(number, Number(into.value));
      showStatus(t("merge.done", { number, into: into.value }));
    }
    cards.show(number);
  };
  dialog.showModal();
  into.focus();
}
