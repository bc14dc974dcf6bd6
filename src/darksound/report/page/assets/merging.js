// The dialog to merge a cluster into another.

function openMerge(number) {
  const dialog = byId("merge"),
    into = byId("merge-into");
  const nearest = clusters.get(number).nearest.map(([other]) => other);
  const others = page.clusters
    .map((info) => info.number)
    .filter((other) => !nearest.includes(other));
  const choices = [...nearest, ...others].filter(
    (other) => review.groupOf(other) !== review.groupOf(number),
  );
  if (!choices.length) return showStatus("There is no other cluster to merge with.");
  byId("merge-title").textContent = `Merge cluster ${number}`;
  byId("merge-about").textContent =
    `${review.titleOf(number)} is merged into another cluster; the nearest are listed first.`;
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
    byId("merge-clips").replaceChildren(
      ...[number, Number(into.value)].map((other) =>
        make(
          "div",
          {},
          make("div", {}, `Cluster ${other}`),
          clipButton(clusters.get(other).medoid, "medoid"),
        ),
      ),
    );
  into.onchange = show;
  show();
  dialog.returnValue = "";
  dialog.onclose = () => {
    if (dialog.returnValue === "merge") {
      review.merge(number, Number(into.value));
      showStatus(`Cluster ${number} is now merged with cluster ${into.value}.`);
    }
    cards.show(number);
  };
  dialog.showModal();
  into.focus();
}
