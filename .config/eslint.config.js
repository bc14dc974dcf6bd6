// The scripts of the report page are modules; page/scripts.py joins them to one script.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import js from "@eslint/js";
import globals from "globals";

const ASSETS = "src/darksound/report/page/assets";
const EXPORTED = /^export (?:const|let|class|(?:async )?function) (\w+)/gm;

const scripts = readdirSync(ASSETS).filter((name) => name.endsWith(".js"));
const sources = new Map(scripts.map((name) => [name, readFileSync(join(ASSETS, name), "utf8")]));

// What eslint cannot see in single files: names that are exported and used nowhere.
const all = [...sources.values()].join("\n");
for (const [file, text] of sources) {
  for (const [, name] of text.matchAll(EXPORTED)) {
    const uses = all.match(new RegExp(`\\b${name}\\b`, "g")).length;
    if (uses < 2) throw new Error(`${name} in ${file} is not used`);
  }
}

const common = {
  ...js.configs.recommended,
  rules: {
    ...js.configs.recommended.rules,
    "no-unused-vars": "error",
    "no-shadow": "error",
    "no-undef": "error",
    "no-var": "error",
    "prefer-const": "error",
    "object-shorthand": "error",
    eqeqeq: "error",
    // Text reaches the page as text nodes and attributes only, never as markup.
    "no-restricted-properties": [
      "error",
      ...["innerHTML", "outerHTML", "insertAdjacentHTML"].map((property) => ({ property })),
      ...["write", "writeln"].map((property) => ({ object: "document", property })),
    ],
    "no-eval": "error",
    "no-implied-eval": "error",
    "no-new-func": "error",
  },
};

export default scripts.map((name) => ({
  ...common,
  files: [`${ASSETS}/${name}`],
  languageOptions: {
    ecmaVersion: 2022,
    sourceType: "module",
    globals: globals.browser,
  },
}));
