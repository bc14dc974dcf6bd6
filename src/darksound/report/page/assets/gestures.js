// What pointers, the wheel and keys do to the map.

const NEAR = 12;
const STILL = 5;
const STEP = 60;

function startGestures(map, on) {
  const { canvas } = map;
  const pressed = new Map();
  let began = null,
    drawing = false;

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  const lassoing = () => byId("lasso").getAttribute("aria-pressed") === "true";

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    pressed.set(event.pointerId, place(event));
    began = pressed.size === 1 ? place(event) : null;
    drawing = pressed.size === 1 && (lassoing() || event.shiftKey);
    map.lasso = drawing ? [place(event)] : null;
    on.hover(null);
  });

  canvas.addEventListener("pointermove", (event) => {
    const now = place(event);
    const before = pressed.get(event.pointerId);
    if (!before) {
      if (event.pointerType !== "touch") on.hover(map.nearest(...now, NEAR), ...now);
      return;
    }
    if (drawing) {
      map.lasso.push(now);
      map.redraw();
    } else if (pressed.size === 2) {
      pinch(event.pointerId, before, now);
    } else if ((began && Math.hypot(now[0] - began[0], now[1] - began[1]) > STILL) || !began) {
      began = null;
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
    if (drawing) {
      const polygon = map.lasso;
      Object.assign(map, { lasso: null });
      drawing = false;
      map.redraw();
      if (polygon.length > 2 && event.type === "pointerup") on.select(map.within(polygon));
    } else if (began && event.type === "pointerup") {
      const row = map.nearest(...began, 2 * NEAR);
      if (row !== null) on.choose(row);
    }
    began = null;
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => on.hover(null));

  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 20 * event.deltaY : event.deltaY;
      map.zoom(Math.exp(-0.0016 * Math.max(-400, Math.min(400, lines))), ...place(event));
    },
    { passive: false },
  );
  canvas.addEventListener("dblclick", (event) => map.zoom(2, ...place(event)));

  const keys = {
    ArrowLeft: () => map.pan(STEP, 0),
    ArrowRight: () => map.pan(-STEP, 0),
    ArrowUp: () => map.pan(0, STEP),
    ArrowDown: () => map.pan(0, -STEP),
    "+": () => map.zoom(1.4),
    "=": () => map.zoom(1.4),
    "-": () => map.zoom(1 / 1.4),
    0: () => map.showAll(),
    v: () => on.select(map.inView()),
    Enter: () => {
      const row = map.nearest(map.width / map.ratio / 2, map.height / map.ratio / 2, 4 * NEAR);
      if (row === null) announce("No ROI near the middle of the map.");
      else on.choose(row);
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
      map.aimed = canvas.matches(":focus-visible");
      map.redraw();
    });
  }

  byId("zoom-in").addEventListener("click", () => map.zoom(1.5));
  byId("zoom-out").addEventListener("click", () => map.zoom(1 / 1.5));
  byId("zoom-all").addEventListener("click", () => map.showAll());
  byId("in-view").addEventListener("click", () => on.select(map.inView()));
  byId("lasso").addEventListener("click", (event) => {
    const pressedNow = !lassoing();
    event.currentTarget.setAttribute("aria-pressed", String(pressedNow));
    canvas.classList.toggle("lasso", pressedNow);
  });
}
