// Keyboard shortcuts, which can be switched off, and their list.

import { rejectType } from "./card.js";
import { cards } from "./cards.js";
import { player } from "./clips.js";
import { byId, make, showStatus, storage } from "./elements.js";
import { t } from "./language.js";
import { openMerge } from "./merging.js";
import { partition } from "./partition.js";
import { redo, review, undo } from "./review.js";
import { markClip } from "./selection.js";
import { showSimilar } from "./similar.js";
import { openSplit } from "./split.js";
import { openVerify } from "./verify.js";

const KEYS = [
  [["j", "↓"], "next_cluster", () => cards.step(1)],
  [["k", "↑"], "previous_cluster", () => cards.step(-1)],
  [["→"], "next_clip", () => player.step(1)],
  [["←"], "previous_clip", () => player.step(-1)],
  [["Space", "p"], "play", () => player.toggle()],
  [["n"], "name", () => cards.editName()],
  [["m"], "merge", () => withUnit(openMerge)],
  [["t"], "split", () => withUnit(openSplit)],
  [["f"], "focus", (actions) => withCluster(actions.isolate)],
  [["x"], "reject", () => withCluster(rejectCluster)],
  [["d"], "reject_clip", () => player.rejectCurrent()],
  [["a"], "mark", () => markClip(player.current)],
  [["c"], "verify", () => openVerify(partition.isOwn ? cards.current : null)],
  [["y", "n", "u"], "verdict", null],
  [["i"], "similar", () => showSimilar(player.current)],
  [["u"], "undo", undo],
  [["U"], "redo", redo],
  [["l"], "lasso", () => byId("lasso").click()],
  [["v"], "in_view", () => byId("in-view").click()],
  [["0"], "all", () => byId("zoom-all").click()],
  [["s"], "save", () => byId("save").click()],
  [["?"], "list", () => byId("help").click()],
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

function withUnit(action) {
  if (partition.isOwn) withCluster(action);
}

function rejectCluster(key) {
  const title = partition.titleOf(key);
  rejectType(key);
  showStatus(
    t(review.isRejected(key) ? "cluster.was_rejected" : "cluster.was_restored", { title }),
  );
}

export function startKeys(pageActions) {
  const actions = new Map(
    KEYS.filter(([, , action]) => action).flatMap(([keys, , action]) =>
      keys.map((key) => [KEY_NAMES[key] ?? key, action]),
    ),
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
        keys.map((key) => make("kbd", {}, key === "Space" ? t("keys.space") : key)),
      ),
      make("dd", {}, t(`keys.${description}`)),
    ]),
  );
  byId("help").addEventListener("click", () => byId("keys").showModal());
  document.addEventListener("keydown", (event) => {
    const isUndo = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z";
    if (isUndo && !event.target.matches("input, textarea")) {
      event.preventDefault();
      return event.shiftKey ? redo() : undo();
    }
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
    action(pageActions);
  });
}
