// From files to documents, exactly as `qmia dataset` reads them. What could be read differently there is refused
// here by name, before anything is sealed: two readers with two digests would cost the provider its bond.

import { bytesOf } from "./bytes.js";
import { gunzip, members } from "./packed.js";
import { canonical, isBlank, RECORD, records, Refused } from "./records.js";
import { rows } from "./rows.js";

export { canonical, Refused };

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
  [bytesOf("{\\rtf"), "RTF"],
  [bytesOf("WARC/"), "WARC"],
  [bytesOf("PARE"), "Parquet"],
  [bytesOf("ARROW1"), "Arrow"],
  [bytesOf("version https://git-lfs.github.com/spec/"), "git lfs"],
  [bytesOf("/annex/objects/"), "git annex"],
];
/** Endings and how they are read. The tools may read others in ways of their own, so these are all. */
const FORMS = new Map(
  Object.entries({
    lines: "jsonl ndjson jsonlines jl",
    commas: "csv psv",
    tabs: "tsv tab",
    markdown: "md markdown mdx qmd rmd",
    text: "txt text log rst org tex srt vtt",
  }).flatMap(([form, ends]) => ends.split(" ").map((end) => [end, form])),
).set("", "text");
/** What file managers, version control and notebooks leave beside data. */
const LITTER = new Set(
  (
    ".DS_Store .Spotlight-V100 .Trashes .fseventsd __MACOSX Thumbs.db desktop.ini .directory .git .gitattributes " +
    ".gitignore .gitkeep .hg .svn .ipynb_checkpoints __pycache__ .idea .vscode"
  ).split(" "),
);
const LEFT = /^\._|^~\$|^\.~lock\.|~$|\.sw[po]$|:Zone\.Identifier$/;
const UNFINISHED = /\.(part|partial|crdownload|download|tmp|filepart)$/i;
const isLitter = (name) => name.split("/").some((part) => LITTER.has(part) || LEFT.test(part));

const FRONT = /^---[ \t]*\r?\n((?:[^\n]*\n)*?)(?:---|\.\.\.)[ \t]*(?:\r?\n|$)/;
const WORDS = "[\\p{L}\\p{N}][\\p{L}\\p{N} ,.()/_-]*";
const LINE = new RegExp(`^([A-Za-z_][\\w-]*): +(?:(${WORDS})|"([\\p{L}\\p{N} ,.:()/_'-]*)") *\\r?$`, "u");

/** Metadata between two lines of hyphens, where it is so plain that all readers of YAML take it alike. */
function frontOf(text, refuse) {
  const match = FRONT.exec(text);
  if (!match) return [{}, text];
  const front = new Map();
  for (const line of match[1].split("\n").slice(0, -1)) {
    const found = LINE.exec(line);
    if (!found || front.has(found[1]) || ["file", "part"].includes(found[1])) refuse("front");
    front.set(found[1], found[3] ?? found[2].trimEnd());
  }
  if (!front.size) refuse("front");
  return [Object.fromEntries(front), text.slice(match[0].length)];
}

async function* plain(file, name, front) {
  if (file.size > RECORD) throw new Refused("long", name);
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes); // drops one mark at the beginning
  } catch {
    throw new Refused("encoding", name);
  }
  const refuse = (code) => {
    throw new Refused(code, name);
  };
  const [metadata, body] = front ? frontOf(text, refuse) : [{}, text];
  if (isBlank(body)) refuse("blank");
  yield { text: body, metadata: { ...metadata, file: name } };
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

const endOf = (name) => /\.([^./]+)$/.exec(name)?.[1].toLowerCase() ?? "";

/** Documents of one file; `form` is its name without what is unpacked already. */
async function* one(name, file, form = name) {
  const end = endOf(form);
  if (end === "gz") {
    yield* one(name, await gunzip(file, name), form.slice(0, -3));
    return;
  }
  const read = FORMS.get(end);
  if (!read) throw new Refused("form", name, 0, end);
  await checkBeginning(file, name);
  if (read === "lines") yield* records(file, name);
  else if (read === "commas" || read === "tabs") yield* rows(file, name, read === "tabs");
  else yield* plain(file, name, read === "markdown");
}

/**
 * Documents of files, one by one.
 * @param files `{name, file}`; `name` is the path below the folder that was chosen.
 * @param left takes the names of what is left out: what programs leave beside data.
 */
export async function* read(files, left = []) {
  const skip = (inside, name) => {
    if (isLitter(inside)) return left.push(name) > 0;
    if (inside.split("/").some((part) => part.startsWith("."))) throw new Refused("hidden", name);
    if (inside.split("/").some((part) => UNFINISHED.test(part))) throw new Refused("unfinished", name);
    if (!inside.isWellFormed()) throw new Refused("name", name);
    return false;
  };
  for (const { name, file } of inOrder(files)) {
    if (skip(name, name)) continue;
    if (endOf(name) !== "zip") yield* one(name, file);
    else for await (const member of members(file, name, skip)) yield* one(member.name, member.file);
  }
}

export const encode = ({ text, metadata }) => bytesOf(canonical({ metadata, text }));
