// Elements are made from text and attributes only, never from markup.

const SVG = "http://www.w3.org/2000/svg";

export function byId(id) {
  return document.getElementById(id);
}

function configure(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value);
    }
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export function make(tag, attributes = {}, ...children) {
  return configure(document.createElement(tag), attributes, children);
}

export function draw(tag, attributes = {}, ...children) {
  return configure(document.createElementNS(SVG, tag), attributes, children);
}

export function definitionList(pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined);
  return make(
    "dl",
    { class: "facts" },
    shown.map(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]).flat(),
  );
}

// Enter confirms a dialog from wherever the focus is in it, but on another button; a button of the
// class `cancel` closes it without.
export function startDialogs() {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.querySelector(".cancel")?.addEventListener("click", () => dialog.close("cancel"));
    dialog.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.target.matches("button, summary, a")) return;
      event.preventDefault();
      const confirm = dialog.querySelector("button.primary[type=submit]");
      dialog.querySelector("form").requestSubmit(confirm);
    });
  }
}

let statusTimer = 0;

export function showStatus(text) {
  const status = byId("status");
  status.textContent = text;
  clearTimeout(statusTimer);
  statusTimer = setTimeout(() => {
    status.textContent = "";
  }, 6000);
}

// An event: call it to run its listeners, `subscribe` adds one.

export function createEvent() {
  const listeners = [];
  const notify = (...values) => listeners.forEach((listener) => listener(...values));
  notify.subscribe = (listener) => listeners.push(listener);
  return notify;
}

// The storage of the browser; it stores nothing in some private windows.

export const storage = {
  read(key) {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  },
  write(key, value) {
    try {
      localStorage.setItem(key, value);
      return true;
    } catch {
      return false;
    }
  },
};
