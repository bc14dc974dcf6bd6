// Texts in several languages: a table of texts by key and language, with values put in.

const FALLBACK = "en";

// Return the function `t(key, values)` of a language. Values stand in braces, `{name}`; numbers are
// written as in the language. A text with `|` is the singular and the plural, by the value of `n`.
export function createTexts(table, language) {
  const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
  const rules = new Intl.PluralRules(language);
  return (key, values = {}) => {
    const forms = (table[key]?.[language] ?? table[key]?.[FALLBACK] ?? key).split("|");
    const form = forms.length > 1 && rules.select(values.n) !== "one" ? forms[1] : forms[0];
    return form.replace(/\{(\w+)\}/g, (_, name) => {
      const value = values[name];
      return typeof value === "number" ? whole.format(value) : String(value ?? "");
    });
  };
}

// Return the functions that write numbers as in a language.
export function createNumbers(language) {
  const formats = new Map();
  const formatOf = (options) => {
    const key = JSON.stringify(options);
    if (!formats.has(key)) formats.set(key, new Intl.NumberFormat(language, options));
    return formats.get(key);
  };
  return {
    decimal: (value, digits) =>
      formatOf({ minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value),
    brief: (value) => formatOf({ maximumSignificantDigits: 3, useGrouping: false }).format(value),
  };
}

// Return the first wanted language that there is, without regard to its region.
export function chooseLanguage(wanted, known) {
  for (const tag of wanted) {
    const language = String(tag ?? "")
      .toLowerCase()
      .split(/[-_]/)[0];
    if (known.includes(language)) return language;
  }
  return FALLBACK;
}
