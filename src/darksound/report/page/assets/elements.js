// Elements are made of text and attributes alone, never of markup.

const SVG = "http://www.w3.org/2000/svg";

function byId(id) {
  return document.getElementById(id);
}

function filled(element, attributes, children) {
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

function make(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function draw(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined);
  return make(
    "dl",
    { class: "facts" },
    shown.map(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]).flat(),
  );
}

let announcing = 0;

function announce(text) {
  const status = byId("status");
  status.textContent = text;
  clearTimeout(announcing);
  announcing = setTimeout(() => {
    status.textContent = "";
  }, 6000);
}

// What other parts of the page want to know when it changes.

function signal() {
  const listeners = [];
  const tell = (...told) => listeners.forEach((listener) => listener(...told));
  tell.subscribe = (listener) => listeners.push(listener);
  return tell;
}

// A store that does nothing where the browser keeps nothing, as in some private windows.

const shelf = {
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
