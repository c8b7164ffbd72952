// What a page shows when it is read alone, and the sketch of a data set (docs/formats.md, "Pages", "Sketch").

import TABLE from "../../oracles/dataset/letters.json" with { type: "json" };
import { join, uint } from "./bytes.js";

const RUN = 20;
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

/** Code points of a text as letters; words that hold a letter lose their digits. */
export function fold(text) {
  const found = [];
  let [start, letters] = [0, false]; // of the word at hand
  const finish = () => {
    if (letters) {
      let kept = start;
      for (let i = start; i < found.length; i++) if (KIND[found[i]] !== 2) found[kept++] = found[i];
      found.length = kept;
    }
    start = found.length;
    letters = false;
  };
  for (let i = 0; i < text.length; i++) {
    const c = text.codePointAt(i);
    if (c > 0xffff) i++;
    const kind = KIND[c];
    if (kind === 1) finish();
    else if (kind === 4) {
      for (const each of FOLDED.get(c)) {
        found.push(each);
        letters ||= KIND[each] !== 2;
      }
    } else if (kind) {
      found.push(c);
      letters ||= kind === 3;
    }
  }
  finish();
  return found;
}

// 64-bit words as two halves, since BigInt is a hundred times slower: `high` holds the upper half of the last product.
let high = 0;
function multiply(ah, al, bh, bl) {
  const [a0, a1, b0, b1] = [al & 0xffff, al >>> 16, bl & 0xffff, bl >>> 16];
  const [p00, p01, p10] = [a0 * b0, a0 * b1, a1 * b0];
  const middle = (p00 >>> 16) + (p01 & 0xffff) + (p10 & 0xffff);
  high = (a1 * b1 + (p01 >>> 16) + (p10 >>> 16) + (middle >>> 16) + Math.imul(ah, bl) + Math.imul(al, bh)) >>> 0;
  return ((p00 & 0xffff) | (middle << 16)) >>> 0;
}

const [MH, ML] = [0x5851f42d, 0x4c957f2d];
const [PH, PL] = (() => {
  const power = (6364136223846793005n ** BigInt(RUN)) & ((1n << 64n) - 1n);
  return [Number(power >> 32n), Number(power & 0xffffffffn)];
})();

/** Hashes of all runs of 20 code points that are below 2^(64 − shift). */
export function runs(codes, shift = 0) {
  const found = [];
  const bound = 2 ** (32 - shift);
  let [h, l] = [0, 0];
  for (let i = 0; i < codes.length; i++) {
    let low = multiply(h, l, MH, ML);
    let up = high;
    low += codes[i];
    if (low > 0xffffffff) {
      low -= 0x100000000;
      up = (up + 1) >>> 0;
    }
    if (i >= RUN) {
      const gone = multiply(0, codes[i - RUN], PH, PL);
      up = (up - high - (low < gone ? 1 : 0)) >>> 0;
      low = (low - gone) >>> 0;
    }
    [h, l] = [up, low];
    if (i < RUN - 1) continue;
    let x = multiply((h ^ (h >>> 30)) >>> 0, (l ^ ((l >>> 30) | (h << 2))) >>> 0, 0xbf58476d, 0x1ce4e5b9);
    let y = high;
    x = multiply((y ^ (y >>> 27)) >>> 0, (x ^ ((x >>> 27) | (y << 5))) >>> 0, 0x94d049bb, 0x133111eb);
    y = high;
    const top = (y ^ (y >>> 31)) >>> 0;
    if (top < bound) found.push((BigInt(top) << 32n) | BigInt((x ^ ((x >>> 31) | (y << 1))) >>> 0));
  }
  return found;
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
    if (/\\*$/.exec(kept)[0].length % 2 === 0) text = kept;
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
    const hashes = [...new Set(runs(fold(lines(page).join("\n")), this.#shift))];
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
      page.hashes = page.hashes.filter((hash) => hash < bound);
      this.#kept += page.hashes.length;
    }
    this.#pages = this.#pages.filter((page) => page.hashes.length);
  }

  encode() {
    const parts = this.#pages.map(({ number, hashes }) => {
      const sorted = BigUint64Array.from(hashes).sort();
      const out = new Uint8Array(12 + 8 * sorted.length);
      const view = new DataView(out.buffer);
      view.setBigUint64(0, BigInt(number));
      view.setUint32(8, sorted.length);
      sorted.forEach((hash, i) => view.setBigUint64(12 + 8 * i, hash));
      return out;
    });
    return join(uint(this.#shift, 1), ...parts);
  }
}
