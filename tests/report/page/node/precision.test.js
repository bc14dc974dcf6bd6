import assert from "node:assert/strict";
import test from "node:test";

import { precisionOf, strataOf, wilson } from "#assets/precision.js";

const close = (a, b) => assert.ok(Math.abs(a - b) < 5e-4, `${a} is not ${b}`);

test("the Wilson interval is that of the textbook", () => {
  // 8 of 10, R: prop.test(8, 10, correct = FALSE)
  const [low, high] = wilson(0.8, 10);
  close(low, 0.4902);
  close(high, 0.9433);
});

test("strata are weighted by their sizes", () => {
  const found = precisionOf([
    { size: 900, checked: 10, yes: 10 },
    { size: 100, checked: 10, yes: 0 },
  ]);
  close(found.estimate, 0.9);
  assert.ok(found.low < 0.9 && found.high > 0.9);
});

test("what was checked completely is certain, and what was not checked is open", () => {
  assert.deepEqual(precisionOf([{ size: 4, checked: 4, yes: 3 }]), { checked: 4, estimate: 0.75, low: 0.75, high: 0.75 });
  assert.deepEqual(precisionOf([{ size: 4, checked: 0, yes: 0 }]), { checked: 0, estimate: null, low: 0, high: 1 });
});

test("unsure clips count as not drawn, and clips outside of the plan for themselves", () => {
  const verdicts = ["yes", "no", "unsure", "", "yes"];
  const { strata, known, knownYes } = strataOf([0, 1, 2, 3, 4], {
    stratumOf: () => 0,
    isPlanned: (row) => row < 3,
    verdictOf: (row) => verdicts[row],
    isRejected: () => false,
  });
  assert.deepEqual(strata, [{ size: 4, checked: 2, yes: 1 }]);
  assert.deepEqual([known, knownYes], [1, 1]);
});
