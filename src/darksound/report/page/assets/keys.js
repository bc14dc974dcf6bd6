// Single keys, which can be switched off, and the list of them.

const KEYS = [
  [["j", "↓"], "next cluster", () => cards.step(1)],
  [["k", "↑"], "previous cluster", () => cards.step(-1)],
  [["→"], "next clip", () => player.step(1)],
  [["←"], "previous clip", () => player.step(-1)],
  [["Space", "p"], "play or pause", () => player.toggle()],
  [["n"], "name the cluster (Enter keeps, Escape does not)", () => cards.editName()],
  [["m"], "merge the cluster with another", () => withCluster(openMerge)],
  [["x"], "reject the cluster, or take it back", () => withCluster(rejectCluster)],
  [["d"], "reject the clip, or take it back", () => player.rejectCurrent()],
  [["u"], "undo", () => review.undo()],
  [["l"], "lasso on the map", () => byId("lasso").click()],
  [["v"], "select all ROIs in view", () => byId("in-view").click()],
  [["0"], "show the whole map", () => byId("zoom-all").click()],
  [["s"], "save review.csv", () => byId("save").click()],
  [["?"], "this list", () => byId("help").click()],
];
const WRITTEN = {
  "↓": "ArrowDown",
  "↑": "ArrowUp",
  "→": "ArrowRight",
  "←": "ArrowLeft",
  Space: " ",
};
const OFF = "darksound:keys-off";

function withCluster(act) {
  if (cards.current === null) cards.step(1);
  if (cards.current !== null) act(cards.current);
}

function rejectCluster(number) {
  review.reject(number);
  announce(`Cluster ${number} ${review.isRejected(number) ? "rejected" : "taken back"}.`);
}

function startKeys() {
  const acts = new Map(
    KEYS.flatMap(([keys, , act]) => keys.map((key) => [WRITTEN[key] ?? key, act])),
  );
  const box = byId("keys-on");
  box.checked = shelf.read(OFF) !== "yes";
  box.addEventListener("change", () => shelf.write(OFF, box.checked ? "no" : "yes"));
  byId("keys-list").append(
    ...KEYS.flatMap(([keys, does]) => [
      make(
        "dt",
        {},
        keys.map((key) => make("kbd", {}, key)),
      ),
      make("dd", {}, does),
    ]),
  );
  byId("help").addEventListener("click", () => byId("keys").showModal());
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || !box.checked)
      return;
    if (document.querySelector("dialog[open]")) return;
    const { target } = event;
    if (target.matches("input, select, textarea, summary, pre, [role='tab']")) return;
    // A button is pressed by the space bar, and nothing else happens.
    if (event.key === " " && target.matches("button")) return;
    const act = acts.get(event.key);
    if (!act) return;
    event.preventDefault();
    act();
  });
}
