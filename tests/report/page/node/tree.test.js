import assert from "node:assert/strict";
import test from "node:test";

import { Tree, cutBranch } from "#assets/tree.js";

// Leaves 0 and 1 are of cluster 0, 2 of cluster 1, 3 of cluster 2; 0 and 1 join first.
const tree = new Tree(4, [[0, 1, 0.1], [2, 3, 0.5], [4, 5, 0.9]], [0, 0, 1, 2]);

test("cuts go from all in one to the leaves", () => {
  assert.equal(tree.ownSize, 3);
  assert.deepEqual([...tree.cut(1)], [6, 6, 6, 6]);
  assert.deepEqual([...tree.cut(2)], [4, 4, 5, 5]);
  assert.deepEqual([...tree.cut(3)], [4, 4, 2, 3]);
  assert.deepEqual([...tree.cut(9)], [0, 1, 2, 3]);
});

test("the lines of a dendrogram join rows between their children", () => {
  const { rows, joins } = tree.dendrogram(3);
  assert.deepEqual(rows, [4, 2, 3]);
  assert.deepEqual(joins, [
    { first: 1, second: 2, height: 0.5, heights: [0, 0] },
    { first: 0, second: 1.5, height: 0.9, heights: [0, 0.5] },
  ]);
});

test("a branch is cut at its highest joins, the largest part first", () => {
  const chain = new Tree(4, [[0, 1, 0.1], [4, 2, 0.2], [5, 3, 0.3]], [0, 0, 0, 0]);
  const size = () => 1;
  assert.deepEqual(cutBranch(chain, [0, 1, 2, 3], 2, size), [[0, 1, 2], [3]]);
  assert.deepEqual(cutBranch(chain, [0, 1, 2, 3], 3, size), [[0, 1], [3], [2]].sort((a, b) => b.length - a.length));
  assert.deepEqual(cutBranch(chain, [0, 2, 3], 2, size), [[0, 2], [3]]);
  assert.equal(cutBranch(chain, [0, 1, 2, 3], 9, size).length, 4);
});
