import assert from "node:assert/strict";
import test from "node:test";

import { ReviewModel } from "#assets/review_model.js";

// Clusters 0 (rows 0 to 3, in leaves 0 and 1) and 1 (rows 4 and 5, leaf 2); row 6 is noise.
function model() {
  return new ReviewModel({
    ids: [..."abcdefg"],
    recordings: (row) => `r${row}.wav`,
    starts: [0, 1, 2, 3, 4, 5, 6],
    ends: [1, 2, 3, 4, 5, 6, 7],
    cluster: [0, 0, 0, 0, 1, 1, -1],
    leaf: [0, 0, 1, 1, 2, 2, -1],
    numbers: [0, 1],
  });
}

const lines = (review) =>
  review
    .csv()
    .trim()
    .split("\r\n")
    .slice(1)
    .map((line) => line.split(",").slice(4).join(","));

test("a part that is split off is a new unit, numbered after the largest cluster", () => {
  const review = model();
  assert.deepEqual(review.split([[1]]), [2]);
  assert.deepEqual([...review.units], [0, 0, 2, 2, 1, 1, -1]);
  review.name(2, "  trill \n one ");
  assert.deepEqual(lines(review), ["0,0,,false,", "0,0,,false,", "0,2,trill one,false,", "0,2,trill one,false,"]);
  assert.equal(review.counts().types, 3);
});

test("every change can be undone and made again", () => {
  const review = model();
  const states = [review.serialised];
  const changes = [
    () => review.name(0, "wren"),
    () => review.merge(1, 0),
    () => review.unmerge(1),
    () => review.reject(1),
    () => review.rejectClips([0, 6], true),
    () => review.setVerdict(3, "yes"),
    () => review.split([[1]]),
    () => review.splitRows([6, 0], "owl"),
    () => review.unsplit(2),
    () => review.load(model().csv()),
  ];
  for (const change of changes) {
    change();
    states.push(review.serialised);
  }
  for (let i = changes.length - 1; i >= 0; i--) {
    assert.ok(review.undo());
    assert.equal(review.serialised, states[i]);
  }
  assert.equal(review.undo(), null);
  for (let i = 1; i <= changes.length; i++) review.redo();
  assert.equal(review.serialised, states.at(-1));
});

test("a saved file gives the same review again", () => {
  const review = model();
  review.split([[1]]);
  review.name(2, "wren");
  review.merge(2, 1);
  review.setVerdict(0, "unsure");
  review.rejectClips([1], true);
  review.splitRows([6], "=owl, \"night\"");
  const copy = model();
  assert.equal(copy.load(review.csv()), 7);
  assert.equal(copy.csv(), review.csv());
  assert.equal(copy.nameOf(4), "wren");
  assert.equal(copy.verdictOf(0), "unsure");
});

test("a cluster whose ROIs are all rejected is rejected as a whole", () => {
  const review = model();
  review.reject(1);
  const copy = model();
  copy.load(review.csv());
  assert.deepEqual(copy.state.rejected, { 1: true });
  assert.deepEqual([copy.counts().types, copy.counts().rejected, copy.counts().clustered], [1, 2, 4]);
});

test("files of other runs and broken ones are refused with the cause", () => {
  const header = "roi_id,start_s,end_s,cluster,group,name,rejected\n";
  const cases = [
    [`${header}zz,0,1,0,0,x,false\n`, "review.other_run"],
    [`${header}a,0,1,1,1,x,false\n`, "review.other_run"],
    [`${header}a,0,1,0,x,x,false\n`, "review.no_cluster"],
    ["roi_id,name\na,b\n", "review.missing_columns"],
    [`${header}a,0,1,0,0,"x,false\n`, "review.open_quote"],
  ];
  for (const [text, key] of cases) {
    const review = model();
    assert.throws(() => review.load(text), { key });
    assert.equal(review.done.length, 0);
  }
});

test("an earlier file without verdicts is read", () => {
  const review = model();
  review.load("roi_id,cluster,start_s,end_s,group,name,rejected\na,0,0,1,1,jay,FALSE\n");
  assert.equal(review.groupOf(0), 1);
  assert.equal(review.nameOf(0), "jay");
});

test("a name at another level merges clusters or splits a part off, as one change", () => {
  const coarse = model();
  coarse.nameTogether({ units: [0, 1] }, "owl");
  assert.equal(coarse.nameOf(1), "owl");
  assert.equal(coarse.done.length, 1);
  const fine = model();
  fine.nameTogether({ units: [0], leaves: [1] }, "chick");
  assert.deepEqual([fine.nameOf(0), fine.nameOf(2)], ["", "chick"]);
  assert.equal(fine.counts().types, 3);
});

test("the text of another page is not restored", () => {
  const review = model();
  assert.equal(review.restore("{}"), false);
  assert.equal(review.restore("not json"), false);
  assert.equal(review.restore('{"names":{"0":"x"},"groups":{},"rejected":{},"clips":{}}'), true);
  assert.equal(review.nameOf(0), "x");
});
