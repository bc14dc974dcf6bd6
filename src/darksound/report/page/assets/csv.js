// Tables as CSV (RFC 4180). Text that a spreadsheet takes for a formula has an apostrophe before it
// (darksound.rois.spreadsheets).

const ESCAPABLE = /^'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;
const ESCAPED = /^'+[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;

function quote(value) {
  const text = typeof value === "string" && ESCAPABLE.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function writeCsv(rows) {
  return rows.map((cells) => `${cells.map(quote).join(",")}\r\n`).join("");
}

// Return the rows of a text; `error` makes what is thrown for a quote that is not closed.
export function parseCsv(text, error) {
  const rows = [[]];
  const field = /("(?:[^"]|"")*"|[^",\r\n]*)(,|\r\n|\n|\r|$)/y;
  const source = text.replace(/^\ufeff/, "");
  while (field.lastIndex < source.length) {
    const match = field.exec(source);
    if (!match) throw error();
    const raw = match[1];
    const cell = raw.startsWith('"') ? raw.slice(1, -1).replaceAll('""', '"') : raw;
    rows.at(-1).push(ESCAPED.test(cell) ? cell.slice(1) : cell);
    if (match[2] !== ",") rows.push([]);
  }
  return rows.filter((row) => row.length > 1);
}
