import assert from "node:assert/strict";
import test from "node:test";

import { chooseLanguage, createNumbers, createTexts } from "#assets/texts.js";

const table = {
  "unit.roi": { en: "{n} ROI|{n} ROIs", fr: "{n} ROI|{n} ROI" },
  greeting: { en: "Cluster {number} of {all}" },
};

test("values are put into a text, numbers as the language writes them", () => {
  assert.equal(createTexts(table, "en")("greeting", { number: 1234, all: "x" }), "Cluster 1,234 of x");
});

test("a count chooses between singular and plural as the language does", () => {
  const [en, fr] = ["en", "fr"].map((language) => createTexts(table, language));
  assert.deepEqual([0, 1, 2].map((n) => en("unit.roi", { n })), ["0 ROIs", "1 ROI", "2 ROIs"]);
  assert.equal(fr("unit.roi", { n: 0 }), "0 ROI");
});

test("a text that a language lacks is the English one, and an unknown key is shown", () => {
  assert.equal(createTexts(table, "fr")("greeting", { number: 1, all: 2 }), "Cluster 1 of 2");
  assert.equal(createTexts(table, "fr")("nothing"), "nothing");
});

test("values may have braces and bars of their own", () => {
  assert.equal(createTexts(table, "en")("greeting", { number: "{all}|", all: "$&" }), "Cluster {all}| of $&");
});

test("decimals are written as in the language", () => {
  assert.equal(createNumbers("fr").decimal(0.083, 2), "0,08");
  assert.equal(createNumbers("en").brief(0.30000001), "0.3");
});

test("the first language that the page has is chosen, whatever its region", () => {
  assert.equal(chooseLanguage([null, "de-CH", "pt-BR", "fr"], ["en", "es", "pt", "fr"]), "pt");
  assert.equal(chooseLanguage(["xx"], ["en", "fr"]), "en");
});
