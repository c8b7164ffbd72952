// Writing and reading whole archives: what only the worker does, since it needs the table of letters.

import { decompress } from "fzstd";

import { equal, fromHex, join, keccak, must, uint } from "./bytes.js";
import {
  ARCHIVE,
  checkPage,
  fetched,
  label,
  leafOf,
  PAGE,
  pageKey,
  pagesOf,
  range,
  seal,
  SKETCH,
  sketchKey,
  unseal,
} from "./formats.js";
import { Sketch } from "./sketch.js";
import { levels, Root } from "./tree.js";

// One zstd frame of raw blocks: any decoder reads it, and no compressor has to be trusted or loaded.
function frame(plain) {
  const parts = [fromHex("28b52ffda0"), uint(plain.length, 4).reverse()];
  for (let i = 0; i < plain.length || i === 0; i += 65536) {
    const block = plain.subarray(i, i + 65536);
    const last = i + 65536 >= plain.length ? 1 : 0;
    parts.push(uint(last | (block.length << 3), 3).reverse(), block);
  }
  return join(...parts);
}

/** Seals documents that come one by one; `write` takes the archive's bytes in their order. */
export class Packer {
  #key;
  #write;
  #documents = new Root(1);
  #page = new Uint8Array(PAGE);
  #filled = 0;
  #size = 0;
  #end = ARCHIVE.length;
  #index = [];
  #leaves = [];
  #sketch = new Sketch();

  constructor(key, write) {
    this.#key = key;
    this.#write = write;
    write(ARCHIVE);
  }

  /** `encoded`: canonical JSON of a document, as bytes. */
  add(encoded) {
    this.#documents.add(keccak([0], encoded));
    this.#append(encoded);
    this.#append(Uint8Array.of(10));
  }

  #append(data) {
    this.#size += data.length;
    for (let at = 0; at < data.length;) {
      const part = data.subarray(at, at + PAGE - this.#filled);
      this.#page.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === PAGE) this.#finishPage();
    }
  }

  #finishPage() {
    const i = this.#leaves.length;
    const key = pageKey(this.#key, i);
    const sealed = seal(key, frame(this.#page), label(i));
    this.#sketch.add(this.#page);
    this.#end += sealed.length;
    this.#index.push(join(uint(this.#end, 8), keccak(key)));
    this.#leaves.push(leafOf(sealed, key));
    this.#write(sealed);
    this.#page.fill(0);
    this.#filled = 0;
  }

  /** Writes what follows the pages. Returns what the manifest says of the archive. */
  finish() {
    must(this.#size, "there is no document");
    if (this.#filled) this.#finishPage();
    const hidden = seal(sketchKey(this.#key), frame(this.#sketch.encode()), SKETCH);
    const tree = levels(this.#leaves, 3);
    this.#write(hidden);
    this.#write(join(...this.#index));
    this.#write(join(...tree.flat()));
    return {
      content_digest: this.#documents.digest(),
      size: this.#size,
      key_commitment: keccak(this.#key),
      root: tree.at(-1)[0],
      pages_end: this.#end,
      sketch_size: hidden.length,
      sketch_hash: keccak(hidden),
      sketch_key_hash: keccak(sketchKey(this.#key)),
    };
  }
}

/** The stream of an archive, checked against the manifest: each document and a line feed after it. */
export async function stream(file, key, contents) {
  must(equal(keccak(key), contents.key_commitment), "this is not the key");
  const sketch = new Sketch();
  const data = new Uint8Array(pagesOf(contents) * PAGE);
  for (let i = 0; i < pagesOf(contents); i++) {
    const { sealed, branch } = await fetched(file, contents, i);
    const page = checkPage(sealed, pageKey(key, i), i, branch, contents);
    sketch.add(page);
    data.set(page, i * PAGE);
  }
  const digest = new Root(1);
  const documents = data.subarray(0, contents.size);
  for (const line of linesOf(documents)) digest.add(keccak([0], line));
  must(equal(digest.digest(), contents.content_digest), "these are other documents");
  const hidden = await range(file, contents.pages_end, contents.pages_end + contents.sketch_size);
  must(equal(sketch.encode(), decompress(unseal(sketchKey(key), hidden, SKETCH))), "the sketch is another one");
  return documents;
}

export function* linesOf(documents) {
  for (let start = 0; start < documents.length;) {
    const end = documents.indexOf(10, start);
    must(end >= 0, "the last document is cut short");
    yield documents.subarray(start, end);
    start = end + 1;
  }
}

/** All documents of an archive, checked against the manifest. */
export async function unpack(file, key, contents) {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  return [...linesOf(await stream(file, key, contents))].map((line) => JSON.parse(decoder.decode(line)));
}
