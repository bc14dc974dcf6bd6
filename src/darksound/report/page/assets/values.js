// Values as text.

import { page, points } from "./data.js";
import { decimal, t } from "./language.js";

export function percent(value) {
  const rounded = 100 * value;
  return t("unit.percent", { value: decimal(rounded, rounded > 0 && rounded < 10 ? 1 : 0) });
}

export function decimalPercent(value) {
  return t("unit.percent", { value: decimal(100 * value, 0) });
}

// Hours or calls an hour, with more digits where they are few.
export function amount(value) {
  return decimal(value, value === 0 || value >= 10 ? 0 : value < 1 ? 2 : 1);
}

export function kilohertz(hz) {
  return decimal(hz / 1000, 1);
}

export function seconds(value) {
  return value < 1
    ? t("unit.ms", { value: decimal(1000 * value, 0) })
    : t("unit.s", { value: decimal(value, 1) });
}

function clock(value) {
  const whole = Math.floor(value);
  const parts = [Math.floor(whole / 60) % 60, whole % 60].map((n) => String(n).padStart(2, "0"));
  const hours = Math.floor(whole / 3600);
  return `${hours ? `${hours}:` : ""}${parts.join(":")}.${Math.floor(10 * (value - whole))}`;
}

// A count with its noun: `count("roi", 2)` is "2 ROIs".
export function count(noun, n) {
  return t(`unit.${noun}`, { n });
}

export function recordingOf(row) {
  return page.names.recording[points.recording[row]];
}

export function timesOf(row) {
  return `${clock(points.start_s[row])} – ${clock(points.end_s[row])}`;
}
