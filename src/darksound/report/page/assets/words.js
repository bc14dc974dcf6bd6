// Words with a definition on hover, focus and tap, which link to the glossary of the page.

import { byId, make } from "./elements.js";
import { t } from "./language.js";

// The words of the glossary: `word.NAME` is the word, `about.NAME` its definition.
export const WORDS = [
  "roi",
  "recording",
  "call_type",
  "cluster",
  "supercluster",
  "noise",
  "coverage",
  "stability",
  "interval",
  "probability",
  "medoid",
  "borderline",
  "outlier",
  "persistence",
  "precision",
  "verdict",
  "granularity",
  "dbcv",
  "ami",
  "chao2",
  "confounder",
  "flags",
  "site",
  "label",
];

// In a text, `[[shown:name]]` is a word with a definition.
const MARKED = /\[\[([^:\]]+):(\w+)\]\]/;
const CLOSE_AFTER = 200;

let shownFor = null;
let closing = 0;

function place(box, button) {
  const at = button.getBoundingClientRect();
  const left = Math.min(Math.max(8, at.left), innerWidth - box.offsetWidth - 8);
  const isBelow = at.bottom + box.offsetHeight + 12 < innerHeight;
  box.style.left = `${Math.max(8, left)}px`;
  box.style.top = `${isBelow ? at.bottom + 6 : Math.max(8, at.top - box.offsetHeight - 6)}px`;
}

function hide() {
  byId("tip").hidden = true;
  shownFor?.removeAttribute("aria-describedby");
  shownFor = null;
}

function hideSoon() {
  clearTimeout(closing);
  closing = setTimeout(hide, CLOSE_AFTER);
}

function show(button, name) {
  clearTimeout(closing);
  if (shownFor === button) return;
  hide();
  shownFor = button;
  byId("tip-about").textContent = t(`about.${name}`);
  byId("tip-more").onclick = () => openGlossary(name);
  const box = byId("tip");
  box.hidden = false;
  button.setAttribute("aria-describedby", "tip-about");
  // A dialog covers what is outside of it.
  (button.closest("dialog") ?? document.body).append(box);
  place(box, button);
}

// A word with its definition.
export function word(name, shown = t(`word.${name}`)) {
  const button = make("button", { type: "button", class: "word" }, shown);
  button.dataset.word = name;
  button.addEventListener("pointerenter", () => show(button, name));
  button.addEventListener("pointerleave", hideSoon);
  button.addEventListener("focus", () => show(button, name));
  button.addEventListener("blur", hideSoon);
  button.addEventListener("click", () => show(button, name));
  return button;
}

// A text as nodes, with its marked words.
export function withTerms(text) {
  const nodes = [];
  let rest = text;
  for (let found = MARKED.exec(rest); found; found = MARKED.exec(rest)) {
    nodes.push(rest.slice(0, found.index), word(found[2], found[1]));
    rest = rest.slice(found.index + found[0].length);
  }
  nodes.push(rest);
  return nodes;
}

export function openGlossary(name = null) {
  hide();
  const dialog = byId("glossary");
  if (!dialog.open) dialog.showModal();
  if (name) byId(`word-${name}`).scrollIntoView({ block: "start" });
}

export function startWords() {
  const box = byId("tip");
  box.addEventListener("pointerenter", () => clearTimeout(closing));
  box.addEventListener("pointerleave", hideSoon);
  box.addEventListener("focusin", () => clearTimeout(closing));
  box.addEventListener("focusout", hideSoon);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
  });
  byId("glossary-list").append(
    ...WORDS.flatMap((name) => [
      make("dt", { id: `word-${name}` }, t(`word.${name}`)),
      make("dd", {}, t(`about.${name}`)),
    ]),
  );
  byId("words").addEventListener("click", () => openGlossary());
}

// A word on what is good: the first text whose limit the value reaches.
const GRADES = {
  dbcv: [
    [0.5, "high"],
    [0.2, "middle"],
    [-1, "low"],
  ],
  stability: [
    [0.75, "high"],
    [0.6, "middle"],
    [0, "low"],
  ],
  coverage: [
    [0.8, "high"],
    [0.5, "middle"],
    [0, "low"],
  ],
};

export function grade(figure, value) {
  const [, name] = GRADES[figure].find(([limit]) => value >= limit) ?? GRADES[figure].at(-1);
  return t(`grade.${figure}_${name}`);
}
