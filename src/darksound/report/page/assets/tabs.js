// The tabs beside the map.

import { page } from "./data.js";
import { byId } from "./elements.js";
import { t } from "./language.js";
import { partition } from "./partition.js";

const TABS = ["clusters", "verify", "activity", "noise", "selection", "run"];

export function showTab(name, focus = false) {
  for (const tab of TABS) {
    const button = byId(`tab-${tab}`);
    button.setAttribute("aria-selected", String(tab === name));
    button.tabIndex = tab === name ? 0 : -1;
    byId(`view-${tab}`).hidden = tab !== name;
  }
  if (focus) byId(`tab-${name}`).focus();
}

export function isTabShown(name) {
  return !byId(`view-${name}`).hidden;
}

export function startTabs() {
  const showCounts = () => {
    byId("tab-clusters").textContent = t("tab.clusters", { n: partition.groups.groups.size });
  };
  partition.changed.subscribe(showCounts);
  showCounts();
  byId("tab-noise").textContent = t("tab.noise", { n: page.noise.size });
  TABS.forEach((tab, i) => {
    const button = byId(`tab-${tab}`);
    button.addEventListener("click", () => showTab(tab));
    button.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const ends = { Home: 0, End: TABS.length - 1 }[event.key];
      if (by === undefined && ends === undefined) return;
      event.preventDefault();
      showTab(TABS[ends ?? (i + by + TABS.length) % TABS.length], true);
    });
  });
}
