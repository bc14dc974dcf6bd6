// Points are stamped into the pixels of the canvas by hand: a hundred thousand in a few
// milliseconds, on any machine, without a graphics card to ask for.

// Whether a place within the unit circle's square lies inside a shape.
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
const GRAIN = 4;

const stamps = new Map();

// Offsets of a shape's pixels from its middle, and how far it covers each, 0 to 256: those that it
// covers whole come first.
function stamp(shape, radius) {
  const key = `${shape} ${radius.toFixed(2)}`;
  if (!stamps.has(key)) {
    if (stamps.size > 500) stamps.clear();
    stamps.set(key, cut(shape, radius));
  }
  return stamps.get(key);
}

function cut(shape, radius) {
  const reach = Math.ceil(radius * 1.2);
  const found = [];
  for (let y = -reach; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++) {
      let hits = 0;
      for (let i = 0; i < GRAIN * GRAIN; i++) {
        const u = x + ((i % GRAIN) + 0.5) / GRAIN - 0.5;
        const v = y + (Math.floor(i / GRAIN) + 0.5) / GRAIN - 0.5;
        if (INSIDE[shape](u / radius, v / radius)) hits++;
      }
      if (hits) found.push([x, y, Math.round((256 * hits) / (GRAIN * GRAIN))]);
    }
  }
  found.sort((a, b) => b[2] - a[2]);
  const whole = found.filter(([, , cover]) => cover === 256).length;
  const [dx, dy, cover] = [0, 1, 2].map((part) => Int32Array.from(found, (entry) => entry[part]));
  return { dx, dy, cover, reach, whole, width: 0, offsets: null };
}

function pixel([red, green, blue]) {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

// `under` where nothing is covered, `over` where all is; channels side by side, two at a time.
function mixed(under, over, cover) {
  if (cover === 256) return over;
  const left = 256 - cover;
  const odd = (((under & 0xff00ff) * left + (over & 0xff00ff) * cover) >>> 8) & 0xff00ff;
  const even = ((((under >>> 8) & 0xff) * left + ((over >>> 8) & 0xff) * cover) >>> 8) & 0xff;
  return (0xff000000 | odd | (even << 8)) >>> 0;
}

function press(pixels, width, height, x, y, mark, colour) {
  const { dx, dy, cover, reach, whole } = mark;
  if (x < -reach || y < -reach || x >= width + reach || y >= height + reach) return;
  if (x >= reach && y >= reach && x < width - reach && y < height - reach) {
    if (mark.width !== width) {
      mark.width = width;
      mark.offsets = dx.map((step, i) => dy[i] * width + step);
    }
    const { offsets } = mark;
    const middle = y * width + x;
    let i = 0;
    for (; i < whole; i++) pixels[middle + offsets[i]] = colour;
    for (; i < offsets.length; i++) {
      const at = middle + offsets[i];
      if (pixels[at] !== colour) pixels[at] = mixed(pixels[at], colour, cover[i]);
    }
    return;
  }
  for (let i = 0; i < dx.length; i++) {
    const u = x + dx[i],
      v = y + dy[i];
    if (u < 0 || v < 0 || u >= width || v >= height) continue;
    const at = v * width + u;
    pixels[at] = mixed(pixels[at], colour, cover[i]);
  }
}

// A shape as a small picture, for legends and cards.
function swatch(style) {
  const canvas = make("canvas", { class: "swatch", width: 28, height: 28, "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  const image = context.createImageData(28, 28);
  const pixels = new Uint32Array(image.data.buffer);
  const mark = stamp(style.shape, 10.5);
  const colour = pixel(rgb(style.colour)) & 0xffffff;
  mark.dx.forEach((dx, i) => {
    const alpha = Math.min(255, mark.cover[i]);
    pixels[(14 + mark.dy[i]) * 28 + 14 + dx] = ((alpha << 24) | colour) >>> 0;
  });
  context.putImageData(image, 0, 0);
  return canvas;
}
