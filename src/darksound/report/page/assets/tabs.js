// The tabs beside the map.

import { page } from "./data.js";
import { byId } from "./elements.js";
import { t } from "./language.js";

const TABS = ["clusters", "noise", "selection", "run"];

export function showTab(name, focus = false) {
  for (const tab of TABS) {
    const button = byId(`tab-${tab}`);
    button.setAttribute("aria-selected", String(tab === name));
    button.tabIndex = tab === name ? 0 : -1;
    byId(`view-${tab}`).hidden = tab !== name;
  }
  if (focus) byId(`tab-${name}`).focus();
}

export function startTabs() {
  byId("tab-clusters").textContent = t("tab.clusters", { n: page.n_clusters });
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
