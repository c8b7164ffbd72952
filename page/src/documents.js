// From files to documents, exactly as `qmia dataset` reads them. What could be read differently there is refused
// here by name, before anything is sealed: two readers with two digests would cost the provider its bond.

import { bytesOf } from "./bytes.js";

const RECORD = 16 << 20;
const DEPTH = 30;
const BLANK = /^[\s\u001c-\u001f\u0085]*$/u;
const BINARY = [
  [[0x1f, 0x8b], "gzip"],
  [[0x42, 0x5a, 0x68], "bzip2"],
  [[0xfd, 0x37, 0x7a], "xz"],
  [[0x28, 0xb5, 0x2f, 0xfd], "zstd"],
  [[0x50, 0x4b, 3, 4], "zip"],
  [[0x50, 0x41, 0x52, 0x31], "Parquet"],
  [[0x25, 0x50, 0x44, 0x46], "PDF"],
  [[0x37, 0x7a], "7z"],
  [[0x52, 0x61, 0x72, 0x21], "RAR"],
  [[0xff, 0xfe], "UTF-16"],
  [[0xfe, 0xff], "UTF-16"],
];

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

const TOKEN = /"(?:[^"\\]|\\.)*"(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/gu;

// JSON.parse keeps the last of two keys and rounds long numbers without a word, so the source is read as well.
function strict(text, value, refuse) {
  let keys = 0;
  for (const [token, colon] of text.matchAll(TOKEN)) {
    if (token[0] === '"') keys += colon ? 1 : 0;
    else if (/^-?\d+$/.test(token) ? !Number.isSafeInteger(Number(token)) : !Number.isFinite(Number(token))) {
      refuse("number", token.slice(0, 40));
    }
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

/** A document of one record, or null of an empty one. */
function ofRecord(text, refuse) {
  let record;
  try {
    record = JSON.parse(text);
  } catch (error) {
    refuse("json", error.message);
  }
  strict(text, record, refuse);
  if (record === null || typeof record !== "object" || Array.isArray(record)) refuse("object");
  if (typeof record.text !== "string") refuse("field", Object.keys(record).slice(0, 8).join(", "));
  if (BLANK.test(record.text)) refuse("blank");
  const { text: body, ...others } = record;
  const { metadata: inner, ...outer } = others;
  if (typeof inner === "string" && inner.startsWith("{")) refuse("nested");
  const opens = inner !== null && typeof inner === "object" && !Array.isArray(inner);
  const lifted = opens && !Object.keys(inner).some((name) => Object.hasOwn(outer, name));
  return { text: body, metadata: lifted ? { ...outer, ...inner } : others };
}

async function* lines(file, name) {
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
    for (const line of found) yield [line, number++];
    if (done) return;
  }
}

async function* records(file, name) {
  for await (const [line, number] of lines(file, name)) {
    const refuse = (code, detail) => {
      throw new Refused(code, name, number, detail);
    };
    const text = number === 1 ? line.replace(/^\ufeff/, "") : line;
    if (text.startsWith("\ufeff")) refuse("mark");
    if (bytesOf(line).length > RECORD) refuse("long");
    if (/^[ \t\r]*$/.test(text)) continue;
    yield ofRecord(text, refuse);
  }
}

async function* plain(file, name) {
  if (file.size > RECORD) throw new Refused("long", name);
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes); // drops one mark at the beginning
  } catch {
    throw new Refused("encoding", name);
  }
  if (BLANK.test(text)) throw new Refused("blank", name);
  yield { text, metadata: { file: name } };
}

async function checkBeginning(file, name) {
  const head = new Uint8Array(await file.slice(0, 8192).arrayBuffer());
  if (!head.length) throw new Refused("empty", name);
  const found = BINARY.find(([magic]) => magic.every((byte, i) => head[i] === byte));
  if (found) throw new Refused("binary", name, 0, found[1]);
  const controls = head.filter((byte) => byte === 127 || (byte < 32 && ![8, 9, 10, 11, 12, 13, 27].includes(byte)));
  if (controls.length) throw new Refused("binary", name, 0, "control characters");
}

const byBytes = (a, b) => {
  const [x, y] = [bytesOf(a), bytesOf(b)];
  const place = x.findIndex((byte, i) => byte !== y[i]);
  if (place < 0) return x.length - y.length;
  return place < y.length ? x[place] - y[place] : 1;
};

/** Files in the order of a folder's walk: names of each level by their bytes. */
function inOrder(files) {
  return [...files].sort((a, b) => {
    const [x, y] = [a.name.split("/"), b.name.split("/")];
    const place = x.findIndex((part, i) => part !== y[i]);
    return place < 0 ? x.length - y.length : byBytes(x[place], y[place] ?? "");
  });
}

/**
 * Documents of files, one by one.
 * @param files `{name, file}`; `name` is the path below the folder that was chosen.
 */
export async function* read(files) {
  for (const { name, file } of inOrder(files)) {
    if (name.split("/").some((part) => part.startsWith("."))) throw new Refused("hidden", name);
    if (!name.isWellFormed()) throw new Refused("name", name);
    const form = /\.([^./]+)$/.exec(name)?.[1].toLowerCase() ?? "";
    if (!["jsonl", "ndjson", "txt"].includes(form)) throw new Refused("form", name, 0, form);
    await checkBeginning(file, name);
    yield* form === "txt" ? plain(file, name) : records(file, name);
  }
}

export const encode = ({ text, metadata }) => bytesOf(canonical({ metadata, text }));
