// The data of the page: plain values, and columns of all ROIs as typed arrays.

export const page = JSON.parse(document.getElementById("data").textContent);

const KINDS = {
  u1: Uint8Array,
  i2: Int16Array,
  i4: Int32Array,
  u4: Uint32Array,
  f4: Float32Array,
  f8: Float64Array,
};

export function fromBase64(text) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

export function asArray(column) {
  return new KINDS[column.kind](fromBase64(column.data).buffer);
}

export const points = Object.fromEntries(
  Object.entries(page.columns).map(([name, column]) => [name, asArray(column)]),
);
points.row = Uint32Array.from({ length: page.n }, (_, row) => row);

export const clusters = new Map(page.clusters.map((info) => [info.number, info]));
export const NOISE = -1;

export function shareOf(step) {
  return step / 255;
}
