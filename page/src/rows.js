// Documents of comma- or tab-separated values, quoted as RFC 4180 says. What other readers might take otherwise is
// refused.

import { bytesOf } from "./bytes.js";
import { documentOf, isBlank, lines, RECORD, Refused, strip, textKey } from "./records.js";

const DELIMITERS = [",", "\t", ";", "|"];
const ODD = /[\u001c-\u001f\u0085\ufeff]/u;

/** One character after another of a row; more lines are taken while a quote is open. */
class Row {
  #delimiter;
  #fields = [];
  #field = "";
  #state = "start"; // of a field; or `plain`, `quoted`, `closed`

  constructor(delimiter) {
    this.#delimiter = delimiter;
  }

  /** Whether the row is complete after this line. */
  take(line, refuse) {
    if (this.#state === "quoted") this.#field += "\n";
    const text = line.endsWith("\r") ? line.slice(0, -1) : line;
    if (text.includes("\r")) refuse("return");
    for (const c of text) this.#next(c, refuse);
    if (this.#state === "quoted") {
      if (line !== text) this.#field += "\r";
      return false;
    }
    // An empty line has no field at all.
    if (this.#fields.length || this.#state !== "start") this.#fields.push(this.#field);
    return true;
  }

  #next(c, refuse) {
    const state = this.#state;
    if (state === "quoted") {
      if (c === '"') this.#state = "closed";
      else this.#field += c;
    } else if (c === this.#delimiter) {
      this.#fields.push(this.#field);
      [this.#field, this.#state] = ["", "start"];
    } else if (c === '"' && state === "start") this.#state = "quoted";
    else if (c === '"' && state === "closed") {
      this.#field += c;
      this.#state = "quoted";
    } else if (state === "closed") refuse("quote");
    else {
      this.#field += c;
      this.#state = "plain";
    }
  }

  get fields() {
    return this.#fields;
  }

  get length() {
    return this.#field.length;
  }
}

/** @param tabs where the name says that values are separated by tabs; then quotes are refused. */
export async function* rows(file, name, tabs) {
  let [row, header, key, delimiter, start] = [null, null, undefined, "\t", 1];
  for await (const [line, number] of lines(file, name)) {
    const refuse = (code, detail) => {
      throw new Refused(code, name, start, detail);
    };
    if (!row) start = number;
    if (tabs && line.includes('"')) refuse("quote");
    if (!header && !row && !tabs) {
      const found = DELIMITERS.filter((each) => line.includes(each));
      if (found.length > 1 || line.startsWith("sep=")) refuse("header");
      delimiter = found[0] ?? ",";
    }
    row ??= new Row(delimiter);
    if (!row.take(line, refuse)) {
      if (row.length > RECORD / 2) refuse("long");
      continue;
    }
    const { fields } = row;
    row = null;
    if (!header) {
      header = fields.map(strip);
      if (!strip(fields.join("")) || number > 1 || fields.some((each) => ODD.test(each))) refuse("header");
      if (new Set(header).size < header.length) refuse("twice");
      key = textKey(header);
      if (key === undefined) refuse("field", header.slice(0, 8).join(", "));
      continue;
    }
    if (!fields.length) continue;
    if (fields.length !== header.length) refuse("columns", `${fields.length}, ${header.length}`);
    if (fields.every((each, i) => strip(each) === header[i])) refuse("header");
    const cells = header.map((column, i) => [column, fields[i]]).filter(([column, value]) => value || column === key);
    const { [key]: text, ...others } = Object.fromEntries(cells);
    if (isBlank(text)) {
      if (Object.keys(others).length) refuse("blank");
      continue; // An empty row; spreadsheets write them at the end.
    }
    if (bytesOf(text).length > RECORD) refuse("long");
    yield documentOf(text, others, refuse);
  }
  if (row) throw new Refused("quote", name, start);
}
