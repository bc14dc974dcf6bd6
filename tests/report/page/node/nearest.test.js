import assert from "node:assert/strict";
import test from "node:test";

import { createNearest } from "#assets/nearest.js";

const order = Int32Array.from([30, 10, 20, 40]);
// Lists of the first three clips; the fourth has none.
const nearest = createNearest(
  {
    count: 2,
    index: Int16Array.from([1, 2, 2, 0, 1, 0]),
    distance: Uint8Array.from([0, 51, 51, 255, 26, 204]),
  },
  order,
);

test("the clips of a row are rows with distances, the nearest first", () => {
  assert.deepEqual(nearest(30), [
    { row: 10, distance: 0 },
    { row: 20, distance: 0.4 },
  ]);
  assert.deepEqual(
    nearest(10).map(({ row, distance }) => [row, distance]),
    [
      [20, 0.4],
      [30, 2],
    ],
  );
});

test("rows without a list or without sound have no similar clips", () => {
  assert.deepEqual(nearest(40), []);
  assert.deepEqual(nearest(999), []);
  const empty = createNearest({ count: 0, index: new Int16Array(), distance: new Uint8Array() }, order);
  assert.deepEqual(empty(30), []);
});
