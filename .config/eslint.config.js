// The scripts of the report page are concatenated into one function (see page/writing.py), so a
// name at the top level of one file is known in all files.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import js from "@eslint/js";
import globals from "globals";

const ASSETS = "src/darksound/report/page/assets";
const DECLARATION = /^(?:const|let|class|(?:async )?function) (\w+)/gm;

const scripts = readdirSync(ASSETS).filter((name) => name.endsWith(".js"));
const sources = new Map(scripts.map((name) => [name, readFileSync(join(ASSETS, name), "utf8")]));
const declared = new Map(
  [...sources].map(([name, text]) => [name, [...text.matchAll(DECLARATION)].map((m) => m[1])]),
);

// What eslint cannot see in single files: names that are declared twice or used nowhere.
const files = new Map();
for (const [file, names] of declared) {
  for (const name of names) {
    if (files.has(name)) throw new Error(`${name} is declared in ${files.get(name)} and ${file}`);
    files.set(name, file);
    const uses = [...sources.values()].join("\n").match(new RegExp(`\\b${name}\\b`, "g")).length;
    if (uses < 2) throw new Error(`${name} in ${file} is not used`);
  }
}

function namesOfOtherFiles(file) {
  const others = [...declared].filter(([name]) => name !== file).flatMap(([, names]) => names);
  return Object.fromEntries(others.map((name) => [name, "readonly"]));
}

const common = {
  ...js.configs.recommended,
  rules: {
    ...js.configs.recommended.rules,
    "no-unused-vars": ["error", { vars: "local" }],
    "no-shadow": "error",
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
    sourceType: "script",
    globals: { ...globals.browser, ...namesOfOtherFiles(name) },
  },
}));
