// Points are drawn into the pixels of the canvas directly: a hundred thousand take a few
// milliseconds on any machine, without WebGL.

import { rgb } from "./colours.js";
import { make } from "./elements.js";

// Whether a point of the square around the unit circle is inside a shape.
const INSIDE = {
  circle: (x, y) => x * x + y * y <= 1,
  square: (x, y) => Math.max(Math.abs(x), Math.abs(y)) <= 0.86,
  diamond: (x, y) => Math.abs(x) + Math.abs(y) <= 1.15,
  up: (x, y) => y <= 0.8 && y >= -1 + 2 * Math.abs(x) * 0.92,
  down: (x, y) => y >= -0.8 && y <= 1 - 2 * Math.abs(x) * 0.92,
  plus: (x, y) =>
    Math.min(Math.abs(x), Math.abs(y)) <= 0.36 && Math.max(Math.abs(x), Math.abs(y)) <= 1.05,
  cross: (x, y) => INSIDE.plus((x + y) * 0.74, (x - y) * 0.74),
  star: (x, y) => Math.min(Math.abs(x), Math.abs(y)) <= 0.26 || Math.abs(x) + Math.abs(y) <= 0.75,
};
const SUBPIXELS = 4;

const markers = new Map();

// The marker of a shape: offsets of its pixels from its centre, and the coverage of each, 0 to 256,
// fully covered pixels first.
export function markerOf(shape, radius) {
  const key = `${shape} ${radius.toFixed(2)}`;
  if (!markers.has(key)) {
    if (markers.size > 500) markers.clear();
    markers.set(key, rasterise(shape, radius));
  }
  return markers.get(key);
}

function rasterise(shape, radius) {
  const reach = Math.ceil(radius * 1.2);
  const entries = [];
  for (let y = -reach; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++) {
      let hits = 0;
      for (let i = 0; i < SUBPIXELS * SUBPIXELS; i++) {
        const u = x + ((i % SUBPIXELS) + 0.5) / SUBPIXELS - 0.5;
        const v = y + (Math.floor(i / SUBPIXELS) + 0.5) / SUBPIXELS - 0.5;
        if (INSIDE[shape](u / radius, v / radius)) hits++;
      }
      if (hits) entries.push([x, y, Math.round((256 * hits) / (SUBPIXELS * SUBPIXELS))]);
    }
  }
  entries.sort((a, b) => b[2] - a[2]);
  const full = entries.filter(([, , cover]) => cover === 256).length;
  const [dx, dy, cover] = [0, 1, 2].map((part) => Int32Array.from(entries, (entry) => entry[part]));
  return { dx, dy, cover, reach, full, width: 0, offsets: null };
}

export function pixel([red, green, blue]) {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

// Blend two colours by a coverage of 0 to 256; two channels are computed at a time.
function blend(under, over, cover) {
  if (cover === 256) return over;
  const remainder = 256 - cover;
  const odd = (((under & 0xff00ff) * remainder + (over & 0xff00ff) * cover) >>> 8) & 0xff00ff;
  const even = ((((under >>> 8) & 0xff) * remainder + ((over >>> 8) & 0xff) * cover) >>> 8) & 0xff;
  return (0xff000000 | odd | (even << 8)) >>> 0;
}

export function drawMarker(canvas, x, y, marker, colour) {
  const { pixels, width, height } = canvas;
  const { dx, dy, cover, reach, full } = marker;
  if (x < -reach || y < -reach || x >= width + reach || y >= height + reach) return;
  if (x >= reach && y >= reach && x < width - reach && y < height - reach) {
    if (marker.width !== width) {
      marker.width = width;
      marker.offsets = dx.map((step, i) => dy[i] * width + step);
    }
    const { offsets } = marker;
    const centre = y * width + x;
    let i = 0;
    for (; i < full; i++) pixels[centre + offsets[i]] = colour;
    for (; i < offsets.length; i++) {
      const at = centre + offsets[i];
      if (pixels[at] !== colour) pixels[at] = blend(pixels[at], colour, cover[i]);
    }
    return;
  }
  for (let i = 0; i < dx.length; i++) {
    const u = x + dx[i],
      v = y + dy[i];
    if (u < 0 || v < 0 || u >= width || v >= height) continue;
    const at = v * width + u;
    pixels[at] = blend(pixels[at], colour, cover[i]);
  }
}

// A marker as a small image, for legends and cards.
export function swatch(style) {
  const canvas = make("canvas", { class: "swatch", width: 28, height: 28, "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  const image = context.createImageData(28, 28);
  const pixels = new Uint32Array(image.data.buffer);
  const marker = markerOf(style.shape, 10.5);
  const colour = pixel(rgb(style.colour)) & 0xffffff;
  marker.dx.forEach((dx, i) => {
    const alpha = Math.min(255, marker.cover[i]);
    pixels[(14 + marker.dy[i]) * 28 + 14 + dx] = ((alpha << 24) | colour) >>> 0;
  });
  context.putImageData(image, 0, 0);
  return canvas;
}
