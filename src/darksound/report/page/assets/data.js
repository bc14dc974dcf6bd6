// The data of the page: plain values, and columns of all ROIs as typed arrays.

const page = JSON.parse(document.getElementById("data").textContent);

const KINDS = {
  u1: Uint8Array,
  i2: Int16Array,
  i4: Int32Array,
  u4: Uint32Array,
  f4: Float32Array,
  f8: Float64Array,
};

function fromBase64(text) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

function asArray(column) {
  return new KINDS[column.kind](fromBase64(column.data).buffer);
}

const points = Object.fromEntries(
  Object.entries(page.columns).map(([name, column]) => [name, asArray(column)]),
);
points.row = Uint32Array.from({ length: page.n }, (_, row) => row);

const clusters = new Map(page.clusters.map((info) => [info.number, info]));
const NOISE = -1;

function shareOf(step) {
  return step / 255;
}

// Values as text.

function percent(value) {
  const rounded = 100 * value;
  return `${rounded > 0 && rounded < 10 ? rounded.toFixed(1) : Math.round(rounded)} %`;
}

function kilohertz(hz) {
  return (hz / 1000).toFixed(1);
}

function seconds(value) {
  return value < 1 ? `${Math.round(1000 * value)} ms` : `${value.toFixed(1)} s`;
}

function clock(value) {
  const whole = Math.floor(value);
  const parts = [Math.floor(whole / 60) % 60, whole % 60].map((n) => String(n).padStart(2, "0"));
  const hours = Math.floor(whole / 3600);
  return `${hours ? `${hours}:` : ""}${parts.join(":")}.${Math.floor(10 * (value - whole))}`;
}

function plural(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

function recordingOf(row) {
  return page.names.recording[points.recording[row]];
}

function timesOf(row) {
  return `${clock(points.start_s[row])} – ${clock(points.end_s[row])}`;
}
