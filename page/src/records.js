// What all forms of files have in common: lines, records, and what is refused.

export const RECORD = 16 << 20;
const DEPTH = 30;
const DIGITS = 17; // of a double
const BLANK = /^[\s\u001c-\u001f\u0085]*$/u;
const SPACE = "[\\t-\\r\\u001c- \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+";
const ENDS = new RegExp(`^${SPACE}|${SPACE}$`, "gu");
const TEXTS = ["text", "content", "body", "document", "article", "passage", "raw_content", "transcript"];

/** Without the white space around it, which the tools and JavaScript do not count alike. */
export const strip = (text) => text.replace(ENDS, "");
export const isBlank = (text) => BLANK.test(text);

/** Canonical JSON (RFC 8785). */
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort(); // by UTF-16 units, as RFC 8785 asks for
  return `{${members.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
}

/** A file, record or value that this page does not read; `code` names the sentence for people. */
export class Refused extends Error {
  constructor(code, file, line, detail = "") {
    super(`${code} in ${file}${line ? `, line ${line}` : ""}${detail ? `: ${detail}` : ""}`);
    Object.assign(this, { code, file, line, detail });
  }
}

/** Lines of a file with their numbers, without line feeds. */
export async function* lines(file, name) {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const reader = file.stream().getReader();
  let [rest, number] = ["", 1];
  const decode = (bytes) => {
    try {
      return decoder.decode(bytes, { stream: bytes !== undefined });
    } catch {
      throw new Refused("encoding", name, number);
    }
  };
  for (;;) {
    const { done, value } = await reader.read();
    rest += decode(value);
    const found = rest.split("\n");
    rest = done ? "" : found.pop();
    if (rest.length > RECORD) throw new Refused("long", name, number);
    for (const line of found) {
      const text = number === 1 ? line.replace(/^\ufeff/, "") : line;
      if (text.startsWith("\ufeff")) throw new Refused("mark", name, number);
      yield [text, number++];
    }
    if (done) return;
  }
}

/** Which of these names is that of the text: the first of the usual ones, in any case, or the only one; or undefined. */
export function textKey(names) {
  if (names.length === 1) return names[0];
  for (const wanted of TEXTS) {
    const found = names.includes(wanted) ? wanted : names.find((name) => strip(name).toLowerCase() === wanted);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A document of a text and its other fields; a field `metadata` that is an object is opened. */
export function documentOf(text, others, refuse) {
  const { metadata: inner, ...outer } = others;
  if (typeof inner === "string" && inner.startsWith("{")) refuse("nested");
  const opens = inner !== null && typeof inner === "object" && !Array.isArray(inner);
  const lifted = opens && !Object.keys(inner).some((name) => Object.hasOwn(outer, name));
  return { text, metadata: lifted ? { ...outer, ...inner } : others };
}

// JSON

const TOKEN = /"(?:[^"\\]|\\.)*"(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/gu;

/** Whether a number is the same to every reader: no integer beyond 2^53, nothing that a double cannot hold. */
function isExact(token) {
  const value = Number(token);
  if (/^-?\d+$/.test(token)) return Number.isSafeInteger(value);
  const digits = token.replace(/[eE].*|[-.]/g, "").replace(/^0+/, "");
  return Number.isFinite(value) && (value !== 0 || !digits) && digits.replace(/0+$/, "").length <= DIGITS;
}

// JSON.parse keeps the last of two keys and rounds long numbers without a word, so the source is read as well.
function strict(text, value, refuse) {
  let keys = 0;
  for (const [token, colon] of text.matchAll(TOKEN)) {
    if (token[0] === '"') keys += colon ? 1 : 0;
    else if (!isExact(token)) refuse("number", token.slice(0, 40));
  }
  const count = (each, depth) => {
    if (typeof each === "string" && !each.isWellFormed()) refuse("surrogate");
    if (each === null || typeof each !== "object") return 0;
    if (depth > DEPTH) refuse("depth");
    if (Array.isArray(each)) return each.reduce((sum, item) => sum + count(item, depth + 1), 0);
    return Object.keys(each).reduce((sum, name) => {
      if (!name.isWellFormed()) refuse("surrogate");
      return sum + 1 + count(each[name], depth + 1);
    }, 0);
  };
  if (count(value, 0) !== keys) refuse("twice");
}

/** A document of one record; `first` keeps the name of the field that was the text of the file's first one. */
function ofRecord(text, first, refuse) {
  let record;
  try {
    record = JSON.parse(text);
  } catch (error) {
    refuse("json", error.message);
  }
  strict(text, record, refuse);
  if (record === null || typeof record !== "object" || Array.isArray(record)) refuse("object");
  const names = Object.keys(record);
  const key = textKey(names);
  first.key ??= key;
  if (key === undefined || key !== first.key || typeof record[key] !== "string")
    refuse("field", names.slice(0, 8).join(", "));
  if (isBlank(record[key])) refuse("blank");
  const { [key]: body, ...others } = record;
  return documentOf(body, others, refuse);
}

/** Documents of JSON lines. */
export async function* records(file, name) {
  const first = {};
  for await (const [text, number] of lines(file, name)) {
    const refuse = (code, detail) => {
      throw new Refused(code, name, number, detail);
    };
    if (3 * text.length > RECORD && new TextEncoder().encode(text).length > RECORD) refuse("long");
    if (/^[ \t\r]*$/.test(text)) continue;
    yield ofRecord(text, first, refuse);
  }
}
