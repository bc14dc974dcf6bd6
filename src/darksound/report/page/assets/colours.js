// Colours that are distinct with every kind of colour vision: those of Okabe and Ito (2008), moved
// until the two nearest are as far apart as possible and all contrast with the background. When
// they are used up, the next shape begins.

import { byId, createEvent, storage } from "./elements.js";

const PALETTES = {
  light: {
    groups: ["#0454cf", "#e27700", "#0b804d", "#b3478c", "#3c92f4", "#bc2c0d", "#333333"],
    noGroup: "#b3b1a9",
    faint: "#e3e1da",
    text: "#1c2126",
    background: "#ffffff",
  },
  dark: {
    groups: ["#528aca", "#e9cd26", "#2ddf7a", "#e98ca6", "#acd0fd", "#e16b2f", "#fffff9"],
    noGroup: "#5d666f",
    faint: "#2a3138",
    text: "#e8ebee",
    background: "#181d22",
  },
};

// Sampled from cividis (Nuñez et al. 2018), low to high; and a cyclic scale from night to night.
const RAMPS = {
  light: {
    probability: ["#fdc328", "#d2b03c", "#a59c74", "#7b7b78", "#575d6d", "#2b446e", "#00224e"],
    hour: ["#1b2a5c", "#5d7fc4", "#7fb8c9", "#d9a441", "#c8643a", "#7d3558", "#1b2a5c"],
  },
  dark: {
    probability: ["#27436f", "#575d6d", "#7b7b78", "#a59c74", "#c8b154", "#e8cc3f", "#fee838"],
    hour: ["#5a63b8", "#7fa8e8", "#9fdbe6", "#f5cf70", "#f09a66", "#b86a92", "#5a63b8"],
  },
};

const SHAPES = ["circle", "up", "square", "diamond", "down", "plus", "cross", "star"];

export const themeChanged = createEvent();

function theme() {
  return document.documentElement.dataset.theme === "dark" ? "dark" : "light";
}

function setTheme(name, store) {
  document.documentElement.dataset.theme = name;
  byId("theme").setAttribute("aria-pressed", String(name === "dark"));
  if (store) storage.write("darksound:theme", name);
  themeChanged();
}

export function startTheme() {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const stored = storage.read("darksound:theme");
  const known = stored === "dark" || stored === "light";
  setTheme(known ? stored : system.matches ? "dark" : "light", false);
  system.addEventListener("change", (event) => {
    if (!storage.read("darksound:theme")) setTheme(event.matches ? "dark" : "light", false);
  });
  byId("theme").addEventListener("click", () =>
    setTheme(theme() === "dark" ? "light" : "dark", true),
  );
}

export function palette() {
  return PALETTES[theme()];
}

export function rgb(hex) {
  const number = parseInt(hex.slice(1), 16);
  return [number >> 16, (number >> 8) & 255, number & 255];
}

function toHex(channels) {
  return `#${channels.map((c) => Math.round(c).toString(16).padStart(2, "0")).join("")}`;
}

export function groupStyle(number) {
  const { groups } = palette();
  return {
    colour: groups[number % groups.length],
    shape: SHAPES[Math.floor(number / groups.length) % SHAPES.length],
  };
}

export function noGroupStyle() {
  return { colour: palette().noGroup, shape: "circle" };
}

export function rampColour(name, value) {
  const ramp = RAMPS[theme()][name];
  const position = Math.min(Math.max(value, 0), 1) * (ramp.length - 1);
  const left = Math.min(Math.floor(position), ramp.length - 2);
  const [from, to] = [rgb(ramp[left]), rgb(ramp[left + 1])];
  return toHex(from.map((c, i) => c + (to[i] - c) * (position - left)));
}
