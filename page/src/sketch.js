// What a page shows when it is read alone, and the sketch of a data set (docs/formats.md, "Pages", "Sketch").

import TABLE from "../../oracles/dataset/letters.json" with { type: "json" };
import { fromBase64, join, uint } from "./bytes.js";
import { CODE } from "./runs.js";

const MOST = 100_000;

// One table of the code points' kinds: 0 nothing, 1 a space, 2 a digit, 3 a letter, 4 another form of letters.
const KIND = new Uint8Array(0x110000);
[TABLE.spaces, TABLE.digits, TABLE.letters].forEach((ranges, i) => {
  for (const [first, last] of ranges) KIND.fill(i + 1, first, last + 1);
});
const FOLDED = new Map(
  Object.entries(TABLE.folded).map(([name, text]) => [
    parseInt(name, 16),
    [...text].map((letter) => letter.codePointAt(0)),
  ]),
);
for (const code of FOLDED.keys()) KIND[code] = 4;
const LONGEST = Math.max(...[...FOLDED.values()].map((letters) => letters.length));

// The letters of a text, where the machine code of `runs.wat` finds them.
const { memory, runs: hashes } = new WebAssembly.Instance(new WebAssembly.Module(fromBase64(CODE))).exports;
let letters = new Uint32Array(memory.buffer);

/** Make room for so many letters, and for as many hashes behind them. */
function room(count) {
  const missing = 12 * count + 8 - memory.buffer.byteLength;
  if (missing <= 0) return;
  memory.grow(Math.ceil(missing / 65536));
  letters = new Uint32Array(memory.buffer);
}

/** Code points of a text as letters; words that hold a letter lose their digits. Valid until the next call. */
export function fold(text) {
  room(LONGEST * text.length);
  let [found, start, lettered] = [0, 0, false]; // of the word at hand
  const finish = () => {
    if (lettered) {
      let kept = start;
      for (let i = start; i < found; i++) if (KIND[letters[i]] !== 2) letters[kept++] = letters[i];
      found = kept;
    }
    start = found;
    lettered = false;
  };
  for (let i = 0; i < text.length; i++) {
    const c = text.codePointAt(i);
    if (c > 0xffff) i++;
    const kind = KIND[c];
    if (kind === 3) {
      letters[found++] = c;
      lettered = true;
    } else if (kind === 1) finish();
    else if (kind === 2) letters[found++] = c;
    else if (kind === 4) {
      for (const each of FOLDED.get(c)) {
        letters[found++] = each;
        lettered ||= KIND[each] !== 2;
      }
    }
  }
  finish();
  return letters.subarray(0, found);
}

/** Hashes of all runs of 20 letters that are below 2^(64 − shift), ascending, each once. */
export function runs(codes, shift = 0) {
  const { length } = codes;
  if (codes.buffer !== memory.buffer) {
    room(length);
    letters.set(codes);
  }
  const out = 8 * Math.ceil(length / 2);
  const count = hashes(length, out, (1n << BigInt(64 - shift)) - 1n);
  const found = new BigUint64Array(memory.buffer, out, count).slice().sort();
  let kept = 0;
  for (let i = 0; i < count; i++) if (!i || found[i] !== found[i - 1]) found[kept++] = found[i];
  return found.slice(0, kept);
}

const [START, TEXT] = ['{"metadata":', '},"text":"'];

/** Texts of the lines that a page holds, as far as it holds them. */
export function lines(page) {
  let end = page.length;
  while (end && !page[end - 1]) end--;
  const kept = new TextDecoder("utf-8", { ignoreBOM: true }).decode(whole(page.subarray(0, end)));
  return kept
    .split("\n")
    .map(textOf)
    .filter((text) => text);
}

// A page cuts characters at its ends only, since the stream as a whole is UTF-8.
function whole(bytes) {
  let [first, last] = [0, bytes.length];
  while (first < last && (bytes[first] & 0xc0) === 0x80) first++;
  for (let back = 1; back <= 3 && back <= last; back++) {
    const byte = bytes[last - back];
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    if (length > back) last -= back;
    break;
  }
  return bytes.subarray(first, last);
}

const PLAIN = { '"': '"', n: "\n", t: "\t", r: "\r", b: "\b", f: "\f" };
function textOf(line) {
  const place = line.lastIndexOf(TEXT);
  let text = place >= 0 ? line.slice(place + TEXT.length) : line;
  if (place < 0 && (line.startsWith(START) || START.startsWith(line))) return "";
  for (const end of ['"}', '"']) {
    if (!text.endsWith(end)) continue;
    const kept = text.slice(0, -end.length);
    let slashes = 0;
    while (kept[kept.length - 1 - slashes] === "\\") slashes++;
    if (slashes % 2 === 0) text = kept;
    break;
  }
  const parts = text.split("\\\\");
  parts.push(parts.pop().replace(/\\(?:u(?:0(?:0[0-9a-f]?)?)?)?$/, ""));
  return parts
    .map((part) =>
      part
        .replace(/\\(["ntrbf])/g, (_, c) => PLAIN[c])
        .replace(/\\u00([0-9a-f]{2})/g, (_, code) => String.fromCharCode(parseInt(code, 16))),
    )
    .join("\\");
}

/** The sketch of pages that come one by one. */
export class Sketch {
  #pages = [];
  #count = 0;
  #kept = 0;
  #shift = 4;

  add(page) {
    const hashes = runs(fold(lines(page).join("\n")), this.#shift);
    if (hashes.length) this.#pages.push({ number: this.#count, hashes });
    this.#count++;
    this.#kept += hashes.length;
    while (this.#kept > MOST && this.#shift < 44) this.#raise();
  }

  // Raising the bound on the way leads to the same bound as choosing it at the end: what is kept only shrinks.
  #raise() {
    this.#shift++;
    const bound = 1n << BigInt(64 - this.#shift);
    this.#kept = 0;
    for (const page of this.#pages) {
      const end = page.hashes.findIndex((hash) => hash >= bound);
      if (end >= 0) page.hashes = page.hashes.slice(0, end);
      this.#kept += page.hashes.length;
    }
    this.#pages = this.#pages.filter((page) => page.hashes.length);
  }

  encode() {
    const parts = this.#pages.map(({ number, hashes }) => {
      const out = new Uint8Array(12 + 8 * hashes.length);
      const view = new DataView(out.buffer);
      view.setBigUint64(0, BigInt(number));
      view.setUint32(8, hashes.length);
      hashes.forEach((hash, i) => view.setBigUint64(12 + 8 * i, hash));
      return out;
    });
    return join(uint(this.#shift, 1), ...parts);
  }
}
