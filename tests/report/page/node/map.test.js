import assert from "node:assert/strict";
import test from "node:test";

import { placeLabels } from "#assets/labels.js";
import { convexHull, outlineOf } from "#assets/outlines.js";

const room = { width: 300, height: 200, lineHeight: 16, widthOf: (text) => 7 * text.length };

function overlap(a, b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

test("no label stands over another one, and the heaviest has its place", () => {
  const labels = Array.from({ length: 85 }, (_, key) => ({
    key, text: `${key}`, weight: 85 - key, x: 150 + (key % 9), y: 100 + (key % 7),
  }));
  const placed = placeLabels(labels, room);
  assert.equal(placed[0].key, 0);
  assert.deepEqual([placed[0].u, placed[0].v], [150, 100]);
  assert.ok(placed.length > 2 && placed.length < 85);
  for (const [i, a] of placed.entries())
    for (const b of placed.slice(i + 1)) assert.ok(!overlap(a, b));
});

test("labels that are far apart are all there, inside of the map", () => {
  const labels = [0, 1, 2].map((key) => ({ key, text: "long name", weight: 1, x: 299 * (key / 2), y: 60 * key + 5 }));
  const placed = placeLabels(labels, room);
  assert.equal(placed.length, 3);
  assert.ok(placed.every((label) => label.left >= 0 && label.right <= 300 && label.top >= 0));
});

test("the label in focus has room in any case, and labels out of view have none", () => {
  const labels = [
    { key: 1, text: "a", weight: 9, x: 50, y: 50 },
    { key: 2, text: "b", weight: 1, x: 50, y: 50 },
    { key: 3, text: "c", weight: 99, x: -5, y: 50 },
  ];
  assert.deepEqual(placeLabels(labels, { ...room, first: 2 }).map((label) => label.key), [2, 1]);
});

test("a hull has the corners of a square and not its inside", () => {
  const hull = convexHull([[0, 0], [1, 0], [0.5, 0.5], [1, 1], [0, 1], [0.5, 0]]);
  assert.deepEqual(new Set(hull.map(String)), new Set(["0,0", "1,0", "1,1", "0,1"]));
  assert.deepEqual(convexHull([[1, 2]]), [[1, 2]]);
});

test("an outline leaves the outermost tenth out", () => {
  const x = [0, 1, 0, 1, 0.5, 0.4, 0.6, 0.5, 0.5, 90];
  const y = [0, 0, 1, 1, 0.5, 0.5, 0.5, 0.4, 0.6, 90];
  const { centre, hull } = outlineOf([...x.keys()], x, y);
  assert.deepEqual(centre, [0.5, 0.5]);
  assert.equal(Math.max(...hull.map(([u]) => u)), 1);
});
