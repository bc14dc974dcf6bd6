// The map: its view, its pixels, and the ROI at a position.

import { palette, rgb } from "./colours.js";
import { page, points } from "./data.js";
import { placeLabels } from "./labels.js";
import { drawMarker, markerOf, pixel } from "./markers.js";

const CELLS = 128;
const LINE_HEIGHT = 16;
const LABEL_FONT = "600 12.5px system-ui, sans-serif";
// Outlines are lines around the points, so many pixels away.
const OUTLINE_WIDTH = 1.2;

export class RoiMap {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.styles = []; // of the points: {colour, shape}
    this.styleOf = new Uint16Array(page.n);
    this.highlighted = null; // 0 or 1 for each row; null for all
    this.labels = []; // texts over the points: {key, text, x, y, weight}
    this.outlines = []; // {key, colour, hull}
    this.shows = { labels: true, outlines: true };
    this.focus = null; // key of the group that the others are dim beside
    this.widths = new Map();
    this.placed = [];
    this.current = null;
    this.lasso = null;
    this.showsCrosshair = false;
    this.isPaintRequested = false;
    this.order = null;
    this.measure();
    this.sortIntoCells();
    new ResizeObserver(() => this.resize()).observe(canvas);
    this.resize();
  }

  measure() {
    const bounds = (values) => {
      let low = Infinity,
        high = -Infinity;
      for (const value of values) {
        if (value < low) low = value;
        if (value > high) high = value;
      }
      return low <= high ? [low, high] : [0, 1];
    };
    const [left, right] = bounds(points.x);
    const [bottom, top] = bounds(points.y);
    this.extent = {
      left,
      bottom,
      width: Math.max(right - left, 1e-6),
      height: Math.max(top - bottom, 1e-6),
    };
  }

  sortIntoCells() {
    const { left, bottom, width, height } = this.extent;
    const cell = new Uint16Array(page.n);
    this.starts = new Uint32Array(CELLS * CELLS + 1);
    for (let row = 0; row < page.n; row++) {
      const column = Math.min(CELLS - 1, Math.floor(((points.x[row] - left) / width) * CELLS));
      const line = Math.min(CELLS - 1, Math.floor(((points.y[row] - bottom) / height) * CELLS));
      cell[row] = line * CELLS + column;
      this.starts[cell[row] + 1]++;
    }
    for (let i = 0; i < CELLS * CELLS; i++) this.starts[i + 1] += this.starts[i];
    const next = this.starts.slice();
    this.inCells = new Uint32Array(page.n);
    for (let row = 0; row < page.n; row++) this.inCells[next[cell[row]]++] = row;
  }

  resize() {
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const width = Math.max(1, Math.round(this.canvas.clientWidth * ratio));
    const height = Math.max(1, Math.round(this.canvas.clientHeight * ratio));
    if (width === this.width && height === this.height) return;
    const fit = this.width === undefined || this.isWhole;
    Object.assign(this, { width, height, ratio });
    Object.assign(this.canvas, { width, height });
    this.image = this.context.createImageData(width, height);
    this.pixels = new Uint32Array(this.image.data.buffer);
    if (fit) this.showAll();
    this.redraw();
  }

  showAll() {
    const { left, bottom, width, height } = this.extent;
    const margin = 26 * this.ratio;
    this.scale = Math.max(
      1e-6,
      Math.min((this.width - 2 * margin) / width, (this.height - 2 * margin) / height),
    );
    this.centre = [left + width / 2, bottom + height / 2];
    this.isWhole = true;
    this.redraw();
  }

  // From map coordinates to CSS pixels of the canvas, and back.
  toScreen(x, y) {
    return [
      (this.width / 2 + (x - this.centre[0]) * this.scale) / this.ratio,
      (this.height / 2 - (y - this.centre[1]) * this.scale) / this.ratio,
    ];
  }

  toMap(x, y) {
    return [
      this.centre[0] + (x * this.ratio - this.width / 2) / this.scale,
      this.centre[1] - (y * this.ratio - this.height / 2) / this.scale,
    ];
  }

  pan(dx, dy) {
    this.centre = [
      this.centre[0] - (dx * this.ratio) / this.scale,
      this.centre[1] + (dy * this.ratio) / this.scale,
    ];
    this.isWhole = false;
    this.redraw();
  }

  zoom(factor, x = this.width / this.ratio / 2, y = this.height / this.ratio / 2) {
    const [u, v] = this.toMap(x, y);
    this.scale = Math.min(Math.max(this.scale * factor, 1e-6), 1e9);
    const [w, z] = this.toMap(x, y);
    this.centre = [this.centre[0] + u - w, this.centre[1] + v - z];
    this.isWhole = false;
    this.redraw();
  }

  scrollTo(row) {
    const [x, y] = this.toScreen(points.x[row], points.y[row]);
    const [width, height] = [this.width / this.ratio, this.height / this.ratio];
    if (x < 20 || y < 20 || x > width - 20 || y > height - 20) {
      this.centre = [points.x[row], points.y[row]];
      this.isWhole = false;
    }
    this.redraw();
  }

  redraw() {
    if (this.isPaintRequested) return;
    this.isPaintRequested = true;
    requestAnimationFrame(() => {
      this.isPaintRequested = false;
      this.paint();
    });
  }

  radius() {
    const zoomed =
      (this.scale * Math.min(this.extent.width, this.extent.height)) /
      Math.min(this.width, this.height);
    const base = Math.min(5, Math.max(1.3, 26 / Math.sqrt(Math.sqrt(page.n) + 12)));
    return base * Math.min(2, Math.max(1, Math.sqrt(zoomed))) * this.ratio;
  }

  // Apply changed styles or highlighted rows: rows that are not highlighted are painted first, then
  // quiet ones, then the others.
  restyle() {
    const level = (row) =>
      this.highlighted && !this.highlighted[row] ? 0 : this.styles[this.styleOf[row]].quiet ? 1 : 2;
    const levels = Uint8Array.from(points.row, level);
    const next = [0, 0, 0];
    for (const value of levels) if (value < 2) next[value + 1]++;
    next[2] += next[1];
    this.faintCount = next[1];
    this.order = new Uint32Array(page.n);
    for (let row = 0; row < page.n; row++) this.order[next[levels[row]]++] = row;
    this.redraw();
  }

  paint() {
    if (!this.order) return;
    const { width, height, scale, order, styleOf, faintCount } = this;
    this.pixels.fill(pixel(rgb(palette().background)));
    const radius = this.radius();
    const faint = { marker: markerOf("circle", 0.8 * radius), colour: pixel(rgb(palette().faint)) };
    const looks = this.styles.map((style) => ({
      marker: markerOf(style.shape, style.quiet ? 0.7 * radius : radius),
      colour: pixel(rgb(style.colour)),
    }));
    const left = width / 2 - this.centre[0] * scale,
      top = height / 2 + this.centre[1] * scale;
    const { x, y } = points;
    for (let i = 0; i < order.length; i++) {
      const row = order[i];
      const { marker, colour } = i < faintCount ? faint : looks[styleOf[row]];
      const column = Math.round(left + x[row] * scale);
      const line = Math.round(top - y[row] * scale);
      drawMarker(this, column, line, marker, colour);
    }
    this.context.putImageData(this.image, 0, 0);
    this.paintOver(radius);
  }

  paintOver(radius) {
    const { context, ratio } = this;
    const { text, background } = palette();
    context.save();
    context.scale(ratio, ratio);
    context.lineWidth = 2;
    if (this.current !== null) {
      const [x, y] = this.toScreen(points.x[this.current], points.y[this.current]);
      for (const [size, colour, lineWidth] of [
        [7, background, 5],
        [7, text, 2.2],
      ]) {
        Object.assign(context, { strokeStyle: colour, lineWidth });
        context.beginPath();
        context.arc(x, y, radius / ratio + size, 0, 2 * Math.PI);
        context.stroke();
      }
    }
    if (this.shows.outlines) this.paintOutlines();
    this.paintLabels();
    if (this.lasso && this.lasso.length > 1) {
      context.beginPath();
      this.lasso.forEach(([x, y]) => context.lineTo(x, y));
      context.closePath();
      Object.assign(context, { strokeStyle: text, lineWidth: 1.5, fillStyle: text });
      context.stroke();
      context.globalAlpha = 0.08;
      context.fill();
      context.globalAlpha = 1;
    }
    if (this.showsCrosshair) this.paintCrosshair();
    context.restore();
  }

  paintOutlines() {
    const { context } = this;
    context.lineJoin = "round";
    for (const { key, colour, hull } of this.outlines) {
      const isFocus = key === this.focus;
      if (hull.length < 3 || (this.focus !== null && !isFocus)) continue;
      context.beginPath();
      for (const [x, y] of hull) context.lineTo(...this.toScreen(x, y));
      context.closePath();
      context.strokeStyle = colour;
      context.lineWidth = isFocus ? 2 * OUTLINE_WIDTH : OUTLINE_WIDTH;
      context.globalAlpha = isFocus ? 1 : 0.55;
      context.stroke();
    }
    context.globalAlpha = 1;
  }

  paintLabels() {
    const { context } = this;
    const { text: colour, background } = palette();
    Object.assign(context, {
      font: LABEL_FONT,
      textAlign: "center",
      textBaseline: "middle",
      strokeStyle: background,
      fillStyle: colour,
      lineWidth: 4,
      lineJoin: "round",
    });
    const wanted = this.labels
      .filter(({ key }) => this.shows.labels || key === this.focus)
      .map((label) => {
        const [x, y] = this.toScreen(label.x, label.y);
        return { ...label, x, y };
      });
    this.placed = placeLabels(wanted, {
      width: this.width / this.ratio,
      height: this.height / this.ratio,
      lineHeight: LINE_HEIGHT,
      widthOf: (text) => this.widthOf(text),
      first: this.focus,
    });
    for (const { key, text, u, v } of this.placed) {
      context.globalAlpha = this.focus === null || key === this.focus ? 1 : 0.35;
      context.strokeText(text, u, v);
      context.fillText(text, u, v);
    }
    context.globalAlpha = 1;
  }

  widthOf(text) {
    if (!this.widths.has(text)) this.widths.set(text, this.context.measureText(text).width);
    return this.widths.get(text);
  }

  paintCrosshair() {
    const { context } = this;
    const [x, y] = [this.width / this.ratio / 2, this.height / this.ratio / 2];
    Object.assign(context, { strokeStyle: palette().text, lineWidth: 1.5 });
    context.beginPath();
    for (const [u, v] of [
      [1, 0],
      [-1, 0],
      [0, 1],
      [0, -1],
    ]) {
      context.moveTo(x + 4 * u, y + 4 * v);
      context.lineTo(x + 11 * u, y + 11 * v);
    }
    context.stroke();
  }

  // The ROI nearest to a position on the screen within a distance in CSS pixels; null for none.
  nearest(x, y, distance) {
    const { left, bottom, width, height } = this.extent;
    const reach = (distance * this.ratio) / this.scale;
    const [u, v] = this.toMap(x, y);
    const cell = (value, low, span) => Math.floor(((value - low) / span) * CELLS);
    const clip = (value) => Math.min(CELLS - 1, Math.max(0, value));
    let best = null,
      bestSquare = reach * reach;
    const last = clip(cell(v + reach, bottom, height));
    for (let line = clip(cell(v - reach, bottom, height)); line <= last; line++) {
      const from = line * CELLS + clip(cell(u - reach, left, width));
      const to = line * CELLS + clip(cell(u + reach, left, width));
      for (let i = this.starts[from]; i < this.starts[to + 1]; i++) {
        const row = this.inCells[i];
        if (this.highlighted && !this.highlighted[row]) continue;
        const square = (points.x[row] - u) ** 2 + (points.y[row] - v) ** 2;
        if (square < bestSquare) {
          bestSquare = square;
          best = row;
        }
      }
    }
    return best;
  }

  // Rows in a polygon of positions on the screen, by the even-odd rule.
  within(polygon) {
    const corners = polygon.map(([x, y]) => this.toMap(x, y));
    const rows = [];
    for (let row = 0; row < page.n; row++) {
      if (this.highlighted && !this.highlighted[row]) continue;
      const x = points.x[row],
        y = points.y[row];
      let inside = false;
      for (let i = 0, j = corners.length - 1; i < corners.length; j = i++) {
        const [a, b] = corners[i],
          [c, d] = corners[j];
        if (b > y !== d > y && x < ((c - a) * (y - b)) / (d - b) + a) inside = !inside;
      }
      if (inside) rows.push(row);
    }
    return rows;
  }

  inView() {
    const [width, height] = [this.width / this.ratio, this.height / this.ratio];
    return this.within([
      [0, 0],
      [width, 0],
      [width, height],
      [0, height],
    ]);
  }
}
