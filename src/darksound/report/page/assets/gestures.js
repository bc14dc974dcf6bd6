// Pointer, wheel and keyboard control of the map.

import { byId, showStatus } from "./elements.js";
import { t } from "./language.js";

// Distances in CSS pixels: of a ROI from the pointer, of a move that is still a click, of a pan key.
const HOVER_DISTANCE = 12;
const CLICK_DISTANCE = 5;
const PAN_DISTANCE = 60;

export function startGestures(map, actions) {
  const { canvas } = map;
  const pressed = new Map();
  let pressedAt = null,
    isDrawing = false;

  const positionOf = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  const isLassoOn = () => byId("lasso").getAttribute("aria-pressed") === "true";

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    pressed.set(event.pointerId, positionOf(event));
    pressedAt = pressed.size === 1 ? positionOf(event) : null;
    isDrawing = pressed.size === 1 && (isLassoOn() || event.shiftKey);
    map.lasso = isDrawing ? [positionOf(event)] : null;
    actions.hover(null);
  });

  canvas.addEventListener("pointermove", (event) => {
    const now = positionOf(event);
    const before = pressed.get(event.pointerId);
    if (!before) {
      if (event.pointerType !== "touch") actions.hover(map.nearest(...now, HOVER_DISTANCE), ...now);
      return;
    }
    if (isDrawing) {
      map.lasso.push(now);
      map.redraw();
    } else if (pressed.size === 2) {
      pinch(event.pointerId, before, now);
    } else if (
      (pressedAt && Math.hypot(now[0] - pressedAt[0], now[1] - pressedAt[1]) > CLICK_DISTANCE) ||
      !pressedAt
    ) {
      pressedAt = null;
      canvas.classList.add("dragging");
      map.pan(now[0] - before[0], now[1] - before[1]);
    } else {
      return;
    }
    pressed.set(event.pointerId, now);
  });

  function pinch(id, before, now) {
    const other = [...pressed].find(([key]) => key !== id)[1];
    const span = (a) => Math.max(1, Math.hypot(a[0] - other[0], a[1] - other[1]));
    map.zoom(span(now) / span(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    map.pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
  }

  const release = (event) => {
    if (!pressed.delete(event.pointerId)) return;
    canvas.classList.remove("dragging");
    if (isDrawing) {
      const polygon = map.lasso;
      Object.assign(map, { lasso: null });
      isDrawing = false;
      map.redraw();
      if (polygon.length > 2 && event.type === "pointerup") actions.select(map.within(polygon));
    } else if (pressedAt && event.type === "pointerup") {
      const row = map.nearest(...pressedAt, 2 * HOVER_DISTANCE);
      if (row !== null) actions.choose(row);
    }
    pressedAt = null;
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => actions.hover(null));

  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 20 * event.deltaY : event.deltaY;
      map.zoom(Math.exp(-0.0016 * Math.max(-400, Math.min(400, lines))), ...positionOf(event));
    },
    { passive: false },
  );
  canvas.addEventListener("dblclick", (event) => map.zoom(2, ...positionOf(event)));

  const keys = {
    ArrowLeft: () => map.pan(PAN_DISTANCE, 0),
    ArrowRight: () => map.pan(-PAN_DISTANCE, 0),
    ArrowUp: () => map.pan(0, PAN_DISTANCE),
    ArrowDown: () => map.pan(0, -PAN_DISTANCE),
    "+": () => map.zoom(1.4),
    "=": () => map.zoom(1.4),
    "-": () => map.zoom(1 / 1.4),
    0: () => map.showAll(),
    v: () => actions.select(map.inView()),
    Enter: () => {
      const row = map.nearest(
        map.width / map.ratio / 2,
        map.height / map.ratio / 2,
        4 * HOVER_DISTANCE,
      );
      if (row === null) showStatus(t("map.none_near"));
      else actions.choose(row);
    },
  };
  canvas.addEventListener("keydown", (event) => {
    const act = event.ctrlKey || event.metaKey || event.altKey ? null : keys[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  });
  for (const name of ["focus", "blur"]) {
    canvas.addEventListener(name, () => {
      map.showsCrosshair = canvas.matches(":focus-visible");
      map.redraw();
    });
  }

  byId("zoom-in").addEventListener("click", () => map.zoom(1.5));
  byId("zoom-out").addEventListener("click", () => map.zoom(1 / 1.5));
  byId("zoom-all").addEventListener("click", () => map.showAll());
  byId("in-view").addEventListener("click", () => actions.select(map.inView()));
  byId("lasso").addEventListener("click", (event) => {
    const isOn = !isLassoOn();
    event.currentTarget.setAttribute("aria-pressed", String(isOn));
    canvas.classList.toggle("lasso", isOn);
  });
}
