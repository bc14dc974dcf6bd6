// The language of the page: that of the address, the stored one, that of the run, or that of the
// browser. Another choice loads the page again.

import { page } from "./data.js";
import { byId, make, storage } from "./elements.js";
import { chooseLanguage, createNumbers, createTexts } from "./texts.js";

const NAMES = { en: "English", es: "Español", pt: "Português", fr: "Français" };
const LANGUAGE_KEY = "darksound:language";
const PREFIX = "#lang=";

const languageTexts = JSON.parse(byId("texts").textContent);

export const language = chooseLanguage(
  [
    location.hash.startsWith(PREFIX) ? location.hash.slice(PREFIX.length) : null,
    storage.read(LANGUAGE_KEY),
    page.language === "auto" ? null : page.language,
    ...navigator.languages,
  ],
  Object.keys(NAMES),
);
export const t = createTexts(languageTexts, language);
export const { decimal, brief } = createNumbers(language);

export function hasText(key) {
  return key in languageTexts;
}

// Return the name of a quality flag; that of the table where there is no text for it.
export function flagText(flag) {
  const key = `flag.${flag}`;
  return hasText(key) ? t(key) : flag;
}

const ATTRIBUTES = {
  title: "title",
  label: "aria-label",
  placeholder: "placeholder",
  role: "aria-roledescription",
};

// Fill the elements of the template: `data-text` names the key of a text, `data-title` and the like
// that of an attribute.
export function fillTexts(root = document) {
  document.documentElement.lang = language;
  for (const element of root.querySelectorAll("[data-text]"))
    element.textContent = t(element.dataset.text);
  for (const [name, attribute] of Object.entries(ATTRIBUTES))
    for (const element of root.querySelectorAll(`[data-${name}]`))
      element.setAttribute(attribute, t(element.dataset[name]));
}

export function startLanguage() {
  const select = byId("language");
  for (const [value, name] of Object.entries(NAMES))
    select.append(make("option", { value, lang: value, selected: value === language }, name));
  select.addEventListener("change", () => {
    storage.write(LANGUAGE_KEY, select.value);
    location.hash = PREFIX + select.value;
    location.reload();
  });
}
