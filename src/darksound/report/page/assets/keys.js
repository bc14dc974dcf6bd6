// Keyboard shortcuts, which can be switched off, and their list.

const KEYS = [
  [["j", "↓"], "next cluster", () => cards.step(1)],
  [["k", "↑"], "previous cluster", () => cards.step(-1)],
  [["→"], "next clip", () => player.step(1)],
  [["←"], "previous clip", () => player.step(-1)],
  [["Space", "p"], "play or pause", () => player.toggle()],
  [["n"], "name the cluster (Enter saves, Escape cancels)", () => cards.editName()],
  [["m"], "merge the cluster with another", () => withCluster(openMerge)],
  [["x"], "reject or restore the cluster", () => withCluster(rejectCluster)],
  [["d"], "reject or restore the clip", () => player.rejectCurrent()],
  [["u"], "undo", () => review.undo()],
  [["l"], "lasso on the map", () => byId("lasso").click()],
  [["v"], "select all ROIs in view", () => byId("in-view").click()],
  [["0"], "show the whole map", () => byId("zoom-all").click()],
  [["s"], "save review.csv", () => byId("save").click()],
  [["?"], "this list", () => byId("help").click()],
];
const KEY_NAMES = {
  "↓": "ArrowDown",
  "↑": "ArrowUp",
  "→": "ArrowRight",
  "←": "ArrowLeft",
  Space: " ",
};
const STORAGE_KEY = "darksound:keys-off";

function withCluster(action) {
  if (cards.current === null) cards.step(1);
  if (cards.current !== null) action(cards.current);
}

function rejectCluster(number) {
  review.reject(number);
  showStatus(`Cluster ${number} ${review.isRejected(number) ? "rejected" : "restored"}.`);
}

function startKeys() {
  const actions = new Map(
    KEYS.flatMap(([keys, , action]) => keys.map((key) => [KEY_NAMES[key] ?? key, action])),
  );
  const checkbox = byId("keys-on");
  checkbox.checked = storage.read(STORAGE_KEY) !== "yes";
  checkbox.addEventListener("change", () =>
    storage.write(STORAGE_KEY, checkbox.checked ? "no" : "yes"),
  );
  byId("keys-list").append(
    ...KEYS.flatMap(([keys, description]) => [
      make(
        "dt",
        {},
        keys.map((key) => make("kbd", {}, key)),
      ),
      make("dd", {}, description),
    ]),
  );
  byId("help").addEventListener("click", () => byId("keys").showModal());
  document.addEventListener("keydown", (event) => {
    if (
      event.defaultPrevented ||
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      !checkbox.checked
    )
      return;
    if (document.querySelector("dialog[open]")) return;
    const { target } = event;
    if (target.matches("input, select, textarea, summary, pre, [role='tab']")) return;
    // The space bar presses a button with the focus.
    if (event.key === " " && target.matches("button")) return;
    const action = actions.get(event.key);
    if (!action) return;
    event.preventDefault();
    action();
  });
}
