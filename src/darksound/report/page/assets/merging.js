// The dialog that merges a cluster into another one.

function openMerge(number) {
  const dialog = byId("merge"),
    into = byId("merge-into");
  const near = clusters.get(number).nearest.map(([other]) => other);
  const rest = page.clusters.map((info) => info.number).filter((other) => !near.includes(other));
  const choices = [...near, ...rest].filter(
    (other) => review.groupOf(other) !== review.groupOf(number),
  );
  if (!choices.length) return announce("There is no other cluster to merge with.");
  byId("merge-title").textContent = `Merge cluster ${number}`;
  byId("merge-about").textContent =
    `${review.titleOf(number)} becomes part of another cluster; the nearest come first.`;
  into.replaceChildren(
    ...choices.map((other) =>
      make(
        "option",
        { value: other },
        `Cluster ${other}${review.nameOf(other) ? `: ${review.nameOf(other)}` : ""}, ${plural(clusters.get(other).size, "ROI")}`,
      ),
    ),
  );
  const show = () =>
    byId("merge-pictures").replaceChildren(
      ...[number, Number(into.value)].map((other) =>
        make(
          "div",
          {},
          make("div", {}, `Cluster ${other}`),
          clip(clusters.get(other).medoid, "medoid"),
        ),
      ),
    );
  into.onchange = show;
  show();
  dialog.returnValue = "";
  dialog.onclose = () => {
    if (dialog.returnValue === "merge") {
      review.merge(number, Number(into.value));
      announce(`Cluster ${number} is now one with cluster ${into.value}.`);
    }
    cards.go(number);
  };
  dialog.showModal();
  into.focus();
}
