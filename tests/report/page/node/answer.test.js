import assert from "node:assert/strict";
import test from "node:test";

import { answer, artefacts, peakHours, rareTypes, startHere } from "#assets/answer.js";
import { describeRows } from "#assets/describe.js";

const type = (key, n, more = {}) => ({
  key, n, recordings: 5, sites: 2, isolation: 1, flags: [0], recorder: null, stability: 0.9, ...more,
});
const totals = {
  n: 200, clustered: 150, rejected: 10, recordings: 8, sites: 3, interval: { low: 3, high: 6 },
  hours: null, peak: null, flagNames: ["rain"], recorders: 2, named: 0,
};
const types = [
  type(0, 80),
  type(1, 40, { flags: [0.9] }),
  type(2, 20, { recordings: 1, sites: 1 }),
  type(3, 5, { isolation: 3, stability: 0.4 }),
  type(4, 5, { isolation: 2, recorder: "A" }),
];
const find = (key) => answer(types, totals).find((sentence) => sentence.key === key);

test("the numbers are those of the types and totals", () => {
  assert.deepEqual(answer(types, totals)[0], {
    key: "answer.types_interval", values: { n: 5, low: 3, high: 6, rois: 150 }, keys: [],
  });
  assert.deepEqual(find("answer.stable").values, { n: 4, all: 5 });
  assert.deepEqual(find("answer.one_recording"), { key: "answer.one_recording", values: { n: 1, all: 8 }, keys: [2] });
  assert.deepEqual(find("answer.noise").values, { n: 40, share: 0.2 });
  assert.deepEqual(find("answer.common").keys, [0, 1, 2]);
  assert.deepEqual(find("answer.rare").keys, [3, 4]);
  assert.deepEqual(find("answer.flagged").keys, [1]);
  assert.deepEqual(find("answer.recorder").keys, [4]);
});

test("what a run does not have is not mentioned", () => {
  const plain = types.map((each) => ({ ...each, stability: null, isolation: null }));
  const keys = answer(plain, { ...totals, interval: null, sites: 0, recordings: 1, rejected: 0 }).map((s) => s.key);
  for (const key of ["answer.stable", "answer.one_site", "answer.one_recording", "answer.rare", "answer.rejected", "answer.peak"])
    assert.ok(!keys.includes(key), key);
  assert.equal(keys[0], "answer.types");
  assert.equal(answer([], { ...totals, clustered: 0, n: 0 }).find((s) => s.key === "answer.noise").values.share, 0);
});

test("rare types are small, in several recordings, and the farthest first", () => {
  assert.deepEqual(rareTypes(types).map((each) => each.key), [3, 4]);
});

test("of types of about the same size, none is rare", () => {
  assert.deepEqual(rareTypes(types.map((each) => ({ ...each, n: 20 }))), []);
});

test("a flag that is as frequent everywhere makes no artefact", () => {
  const wet = types.map((each) => ({ ...each, flags: [0.9], recorder: null }));
  assert.deepEqual(artefacts(wet, totals), []);
});

test("the busiest two hours may be around midnight", () => {
  const hours = new Array(24).fill(0);
  hours[23] = 5;
  hours[0] = 5;
  hours[12] = 6;
  assert.deepEqual(peakHours(hours), { from: 23, to: 1 });
  assert.equal(peakHours(new Array(24).fill(0)), null);
});

test("at most a dozen cards come first, each once", () => {
  const many = Array.from({ length: 90 }, (_, key) => type(key, 90 - key, { stability: key / 90 }));
  const start = startHere(many, totals);
  assert.ok(start.length <= 12);
  assert.equal(new Set(start.map((each) => each.key)).size, start.length);
  assert.deepEqual(start[0], { key: 0, reason: "common" });
});

test("a card of any ROIs has their counts and quartiles", () => {
  const columns = {
    start_s: [0, 0, 0], end_s: [1, 2, 4], probability: [255, 0, 51], recording: [0, 0, 1], hour: [5, 5, -1],
    label: [-1, 2, 2], site: [0, 0, 0],
  };
  const card = describeRows([0, 1, 2], columns, { typical: 1, borderline: 1 });
  assert.deepEqual([card.medoid, card.typical, card.borderline], [0, [2], [1]]);
  assert.deepEqual(card.duration, [1.5, 2, 3]);
  assert.deepEqual(card.recordings, [[0, 2], [1, 1]]);
  assert.deepEqual(card.labels, [[2, 2]]);
  assert.equal(card.hours[5], 2);
  assert.ok(Math.abs(card.probability - 0.4) < 1e-9);
});
